ALTER TABLE `runs` ADD `due_at` integer;--> statement-breakpoint
ALTER TABLE `runs` ADD `is_late` integer DEFAULT false NOT NULL;--> statement-breakpoint
CREATE UNIQUE INDEX `runs_slot` ON `runs` (`mapping_id`,`due_at`) WHERE "runs"."due_at" is not null;--> statement-breakpoint
ALTER TABLE `segment_mappings` ADD `slots_until` integer;--> statement-breakpoint
ALTER TABLE `segment_mappings` ADD `sent_snapshot_id` text;--> statement-breakpoint
ALTER TABLE `segmentation_jobs` ADD `due_at` integer;--> statement-breakpoint
CREATE UNIQUE INDEX `segmentation_jobs_slot` ON `segmentation_jobs` (`sandbox_id`,`due_at`) WHERE "segmentation_jobs"."due_at" is not null;