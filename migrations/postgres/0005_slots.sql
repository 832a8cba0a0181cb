ALTER TABLE "runs" ADD COLUMN "due_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "runs" ADD COLUMN "is_late" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "segment_mappings" ADD COLUMN "slots_until" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "segment_mappings" ADD COLUMN "sent_snapshot_id" text COLLATE "C";--> statement-breakpoint
ALTER TABLE "segmentation_jobs" ADD COLUMN "due_at" timestamp (3) with time zone;--> statement-breakpoint
CREATE UNIQUE INDEX "runs_slot" ON "runs" USING btree ("mapping_id","due_at") WHERE "runs"."due_at" is not null;--> statement-breakpoint
CREATE UNIQUE INDEX "segmentation_jobs_slot" ON "segmentation_jobs" USING btree ("sandbox_id","due_at") WHERE "segmentation_jobs"."due_at" is not null;