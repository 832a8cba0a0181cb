CREATE TABLE "audit_log" (
	"seq" bigint PRIMARY KEY NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	"sandbox_id" text,
	"token_id" text NOT NULL,
	"token_name" text NOT NULL,
	"operation" text NOT NULL,
	"client_operation" text,
	"target_type" text,
	"target_id" text,
	"before" text,
	"after" text,
	"outcome" text NOT NULL,
	"codes" text NOT NULL,
	"request_id" text NOT NULL,
	"previous_hash" text NOT NULL,
	"hash" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "run_totals" (
	"sandbox_id" text NOT NULL,
	"status" text NOT NULL,
	"bucket" integer NOT NULL,
	"runs" bigint DEFAULT 0 NOT NULL,
	"rows" bigint DEFAULT 0 NOT NULL,
	"bytes" bigint DEFAULT 0 NOT NULL,
	"milliseconds" bigint DEFAULT 0 NOT NULL,
	CONSTRAINT "run_totals_sandbox_id_status_bucket_pk" PRIMARY KEY("sandbox_id","status","bucket")
);
--> statement-breakpoint
CREATE INDEX "audit_log_sandbox" ON "audit_log" USING btree ("sandbox_id","seq");--> statement-breakpoint
CREATE INDEX "audit_log_target" ON "audit_log" USING btree ("target_id","seq");