CREATE TABLE "notification_messages" (
	"target_id" text COLLATE "C" NOT NULL,
	"seq" bigint NOT NULL,
	"body" text COLLATE "C" NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "notification_messages_target_id_seq_pk" PRIMARY KEY("target_id","seq")
);
--> statement-breakpoint
CREATE TABLE "notification_states" (
	"target_id" text COLLATE "C" NOT NULL,
	"dataflow_id" text COLLATE "C" NOT NULL,
	"state" jsonb NOT NULL,
	"version" bigint NOT NULL,
	CONSTRAINT "notification_states_target_id_dataflow_id_pk" PRIMARY KEY("target_id","dataflow_id")
);
--> statement-breakpoint
CREATE TABLE "notification_targets" (
	"id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"sandbox_id" text COLLATE "C" NOT NULL,
	"name" text COLLATE "C" NOT NULL,
	"url" text COLLATE "C" NOT NULL,
	"secret" text COLLATE "C" NOT NULL,
	"events" jsonb NOT NULL,
	"dataflow_ids" jsonb NOT NULL,
	"queued_seq" bigint DEFAULT 0 NOT NULL,
	"sent_seq" bigint DEFAULT 0 NOT NULL,
	"dropped" bigint DEFAULT 0 NOT NULL,
	"attempt" integer DEFAULT 0 NOT NULL,
	"failing_since" timestamp (3) with time zone,
	"retry_at" timestamp (3) with time zone,
	"last_error" text COLLATE "C",
	"last_delivered_at" timestamp (3) with time zone,
	"lease_owner" text COLLATE "C",
	"lease_until" timestamp (3) with time zone,
	"fence" bigint DEFAULT 0 NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"updated_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "run_news" (
	"run_id" text COLLATE "C" NOT NULL,
	"seq" bigint NOT NULL,
	CONSTRAINT "run_news_run_id_seq_pk" PRIMARY KEY("run_id","seq")
);
--> statement-breakpoint
CREATE INDEX "notification_targets_created" ON "notification_targets" USING btree ("sandbox_id","created_at","id");