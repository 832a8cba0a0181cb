CREATE TABLE "audit_log" (
	"seq" bigint PRIMARY KEY NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	"sandbox_id" text COLLATE "C",
	"token_id" text COLLATE "C" NOT NULL,
	"token_name" text COLLATE "C" NOT NULL,
	"operation" text COLLATE "C" NOT NULL,
	"client_operation" text COLLATE "C",
	"target_type" text COLLATE "C",
	"target_id" text COLLATE "C",
	"before" text COLLATE "C",
	"after" text COLLATE "C",
	"outcome" text COLLATE "C" NOT NULL,
	"codes" text COLLATE "C" NOT NULL,
	"request_id" text COLLATE "C" NOT NULL,
	"previous_hash" text COLLATE "C" NOT NULL,
	"hash" text COLLATE "C" NOT NULL
);
--> statement-breakpoint
CREATE TABLE "run_totals" (
	"sandbox_id" text COLLATE "C" NOT NULL,
	"status" text COLLATE "C" NOT NULL,
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