CREATE TABLE "mapping_changes" (
	"destination_id" text COLLATE "C" NOT NULL,
	"seq" bigint NOT NULL,
	"mapping_id" text COLLATE "C" NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "mapping_changes_destination_id_seq_pk" PRIMARY KEY("destination_id","seq")
);
--> statement-breakpoint
CREATE TABLE "signing_keys" (
	"id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"public_key" jsonb NOT NULL,
	"private_key" text COLLATE "C" NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "destinations" ADD COLUMN "change_seq" bigint DEFAULT 0 NOT NULL;