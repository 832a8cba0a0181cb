ALTER TABLE "segmentation_jobs" ADD COLUMN "failures" jsonb;--> statement-breakpoint
CREATE INDEX "segmentation_jobs_created" ON "segmentation_jobs" USING btree ("sandbox_id","created_at","id");