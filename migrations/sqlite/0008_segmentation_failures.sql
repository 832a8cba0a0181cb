ALTER TABLE `segmentation_jobs` ADD `failures` text;--> statement-breakpoint
CREATE INDEX `segmentation_jobs_created` ON `segmentation_jobs` (`sandbox_id`,`created_at`,`id`);