CREATE TABLE `activations` (
	`id` text PRIMARY KEY NOT NULL,
	`sandbox_id` text NOT NULL,
	`requested_by` text NOT NULL,
	`token_id` text NOT NULL,
	`idempotency_key` text,
	`input_hash` text NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `activations_idempotency` ON `activations` (`sandbox_id`,`token_id`,`idempotency_key`);--> statement-breakpoint
CREATE INDEX `activations_created` ON `activations` (`sandbox_id`,`created_at`,`id`);--> statement-breakpoint
CREATE TABLE `api_tokens` (
	`id` text PRIMARY KEY NOT NULL,
	`sandbox_id` text,
	`client_id` text NOT NULL,
	`name` text NOT NULL,
	`roles` text NOT NULL,
	`destination_ids` text,
	`secret_hash` text NOT NULL,
	`created_at` integer NOT NULL,
	`expires_at` integer,
	`last_used_at` integer,
	`revoked_at` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `api_tokens_client` ON `api_tokens` (`client_id`);--> statement-breakpoint
CREATE UNIQUE INDEX `api_tokens_secret` ON `api_tokens` (`secret_hash`);--> statement-breakpoint
CREATE TABLE `attribute_hints` (
	`sandbox_id` text NOT NULL,
	`path` text NOT NULL,
	`mixed` integer NOT NULL,
	PRIMARY KEY(`sandbox_id`, `path`)
);
--> statement-breakpoint
CREATE TABLE `attribute_stats` (
	`sandbox_id` text PRIMARY KEY NOT NULL,
	`profiles_version` integer NOT NULL,
	`stats` text NOT NULL,
	`computed_at` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `dataflows` (
	`id` text PRIMARY KEY NOT NULL,
	`sandbox_id` text NOT NULL,
	`name` text NOT NULL,
	`description` text,
	`destination_id` text NOT NULL,
	`state` text NOT NULL,
	`fields` text NOT NULL,
	`deduplicate_by` text NOT NULL,
	`consent_attribute` text,
	`file_format` text,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `dataflows_created` ON `dataflows` (`sandbox_id`,`created_at`,`id`);--> statement-breakpoint
CREATE INDEX `dataflows_name` ON `dataflows` (`sandbox_id`,`name`,`id`);--> statement-breakpoint
CREATE INDEX `dataflows_updated` ON `dataflows` (`sandbox_id`,`updated_at`,`id`);--> statement-breakpoint
CREATE INDEX `dataflows_destination` ON `dataflows` (`destination_id`,`id`);--> statement-breakpoint
CREATE TABLE `destination_accounts` (
	`id` text PRIMARY KEY NOT NULL,
	`sandbox_id` text NOT NULL,
	`name` text NOT NULL,
	`type` text NOT NULL,
	`settings` text NOT NULL,
	`secrets` text,
	`shared_with` text NOT NULL,
	`consent_by` text,
	`consent_at` integer,
	`status` text NOT NULL,
	`last_verified_at` integer,
	`last_error` text,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `destination_accounts_created` ON `destination_accounts` (`sandbox_id`,`created_at`,`id`);--> statement-breakpoint
CREATE TABLE `destinations` (
	`id` text PRIMARY KEY NOT NULL,
	`sandbox_id` text NOT NULL,
	`number` integer NOT NULL,
	`name` text NOT NULL,
	`description` text,
	`type` text NOT NULL,
	`account_id` text,
	`settings` text NOT NULL,
	`status` text NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `destinations_number` ON `destinations` (`number`);--> statement-breakpoint
CREATE INDEX `destinations_created` ON `destinations` (`sandbox_id`,`created_at`,`id`);--> statement-breakpoint
CREATE INDEX `destinations_name` ON `destinations` (`sandbox_id`,`name`,`id`);--> statement-breakpoint
CREATE INDEX `destinations_updated` ON `destinations` (`sandbox_id`,`updated_at`,`id`);--> statement-breakpoint
CREATE INDEX `destinations_account` ON `destinations` (`account_id`,`id`);--> statement-breakpoint
CREATE TABLE `members` (
	`version` integer NOT NULL,
	`profile_id` integer NOT NULL,
	PRIMARY KEY(`version`, `profile_id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `namespaces` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`sandbox_id` text NOT NULL,
	`name` text NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `namespaces_name` ON `namespaces` (`sandbox_id`,`name`);--> statement-breakpoint
CREATE TABLE `profiles` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`namespace_id` integer NOT NULL,
	`key` text NOT NULL,
	`attributes` blob NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `profiles_key` ON `profiles` (`namespace_id`,`key`);--> statement-breakpoint
CREATE TABLE `rejections` (
	`run_id` text NOT NULL,
	`profile_id` integer NOT NULL,
	`reason` text NOT NULL,
	`detail` text,
	PRIMARY KEY(`run_id`, `profile_id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `run_events` (
	`run_id` text NOT NULL,
	`seq` integer NOT NULL,
	`type` text NOT NULL,
	`status` text NOT NULL,
	`phase` text NOT NULL,
	`total` integer,
	`received` integer NOT NULL,
	`exported` integer NOT NULL,
	`excluded` integer NOT NULL,
	`failed` integer NOT NULL,
	`bytes` integer NOT NULL,
	`files` integer NOT NULL,
	`message` text,
	`at` integer NOT NULL,
	PRIMARY KEY(`run_id`, `seq`)
);
--> statement-breakpoint
CREATE TABLE `run_files` (
	`run_id` text NOT NULL,
	`part` integer NOT NULL,
	`name` text NOT NULL,
	`location` text NOT NULL,
	`rows` integer NOT NULL,
	`bytes` integer NOT NULL,
	`sha256` text NOT NULL,
	PRIMARY KEY(`run_id`, `part`)
);
--> statement-breakpoint
CREATE TABLE `runs` (
	`id` text PRIMARY KEY NOT NULL,
	`sandbox_id` text NOT NULL,
	`dataflow_id` text NOT NULL,
	`destination_id` text NOT NULL,
	`segment_id` text NOT NULL,
	`mapping_id` text NOT NULL,
	`snapshot_id` text,
	`activation_id` text,
	`trigger` text NOT NULL,
	`mode` text NOT NULL,
	`status` text NOT NULL,
	`phase` text NOT NULL,
	`plan` text NOT NULL,
	`checkpoint` text,
	`total` integer,
	`received` integer DEFAULT 0 NOT NULL,
	`exported` integer DEFAULT 0 NOT NULL,
	`excluded` integer DEFAULT 0 NOT NULL,
	`failed` integer DEFAULT 0 NOT NULL,
	`bytes` integer DEFAULT 0 NOT NULL,
	`files` integer DEFAULT 0 NOT NULL,
	`error` text,
	`attempt` integer DEFAULT 0 NOT NULL,
	`lease_owner` text,
	`lease_until` integer,
	`fence` integer DEFAULT 0 NOT NULL,
	`event_seq` integer DEFAULT 0 NOT NULL,
	`retry_of` text,
	`created_at` integer NOT NULL,
	`started_at` integer,
	`completed_at` integer
);
--> statement-breakpoint
CREATE INDEX `runs_created` ON `runs` (`sandbox_id`,`created_at`,`id`);--> statement-breakpoint
CREATE INDEX `runs_completed` ON `runs` (`sandbox_id`,`completed_at`,`id`);--> statement-breakpoint
CREATE INDEX `runs_dataflow` ON `runs` (`dataflow_id`,`created_at`,`id`);--> statement-breakpoint
CREATE INDEX `runs_segment` ON `runs` (`segment_id`,`created_at`,`id`);--> statement-breakpoint
CREATE INDEX `runs_mapping` ON `runs` (`mapping_id`,`created_at`,`id`);--> statement-breakpoint
CREATE INDEX `runs_activation` ON `runs` (`activation_id`);--> statement-breakpoint
CREATE INDEX `runs_active` ON `runs` (`created_at`,`id`) WHERE "runs"."status" in ('QUEUED', 'PROCESSING', 'CANCELLING');--> statement-breakpoint
CREATE UNIQUE INDEX `runs_one_ad_hoc` ON `runs` (`segment_id`) WHERE "runs"."trigger" = 'AD_HOC' and "runs"."status" in ('QUEUED', 'PROCESSING', 'CANCELLING');--> statement-breakpoint
CREATE TABLE `sandboxes` (
	`id` text PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`title` text NOT NULL,
	`profiles_version` integer DEFAULT 0 NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `sandboxes_name` ON `sandboxes` (`name`);--> statement-breakpoint
CREATE TABLE `segment_mappings` (
	`id` text PRIMARY KEY NOT NULL,
	`sandbox_id` text NOT NULL,
	`number` integer NOT NULL,
	`segment_id` text NOT NULL,
	`dataflow_id` text NOT NULL,
	`destination_id` text NOT NULL,
	`element_name` text NOT NULL,
	`element_description` text,
	`element_status` text NOT NULL,
	`schedule` text NOT NULL,
	`export_mode` text NOT NULL,
	`filename_template` text,
	`activated_at` integer NOT NULL,
	`ad_hoc_allowed_from` integer NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `segment_mappings_number` ON `segment_mappings` (`number`);--> statement-breakpoint
CREATE UNIQUE INDEX `segment_mappings_pair` ON `segment_mappings` (`dataflow_id`,`segment_id`);--> statement-breakpoint
CREATE INDEX `segment_mappings_segment` ON `segment_mappings` (`segment_id`,`id`);--> statement-breakpoint
CREATE INDEX `segment_mappings_destination` ON `segment_mappings` (`destination_id`,`id`);--> statement-breakpoint
CREATE TABLE `segmentation_jobs` (
	`id` text PRIMARY KEY NOT NULL,
	`sandbox_id` text NOT NULL,
	`status` text NOT NULL,
	`trigger` text NOT NULL,
	`segment_ids` text NOT NULL,
	`total` integer,
	`received` integer DEFAULT 0 NOT NULL,
	`exported` integer DEFAULT 0 NOT NULL,
	`error` text,
	`attempt` integer DEFAULT 0 NOT NULL,
	`lease_owner` text,
	`lease_until` integer,
	`fence` integer DEFAULT 0 NOT NULL,
	`created_at` integer NOT NULL,
	`started_at` integer,
	`completed_at` integer
);
--> statement-breakpoint
CREATE INDEX `segmentation_jobs_status` ON `segmentation_jobs` (`status`,`created_at`);--> statement-breakpoint
CREATE UNIQUE INDEX `segmentation_jobs_active` ON `segmentation_jobs` (`sandbox_id`) WHERE "segmentation_jobs"."status" in ('QUEUED', 'PROCESSING');--> statement-breakpoint
CREATE TABLE `segments` (
	`id` text PRIMARY KEY NOT NULL,
	`sandbox_id` text NOT NULL,
	`number` integer NOT NULL,
	`name` text NOT NULL,
	`description` text,
	`status` text NOT NULL,
	`rule` text NOT NULL,
	`expression` text NOT NULL,
	`snapshot_id` text,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `segments_number` ON `segments` (`number`);--> statement-breakpoint
CREATE INDEX `segments_created` ON `segments` (`sandbox_id`,`created_at`,`id`);--> statement-breakpoint
CREATE INDEX `segments_name` ON `segments` (`sandbox_id`,`name`,`id`);--> statement-breakpoint
CREATE INDEX `segments_updated` ON `segments` (`sandbox_id`,`updated_at`,`id`);--> statement-breakpoint
CREATE TABLE `snapshots` (
	`id` text PRIMARY KEY NOT NULL,
	`sandbox_id` text NOT NULL,
	`segment_id` text NOT NULL,
	`job_id` text NOT NULL,
	`version` integer NOT NULL,
	`evaluated_at` integer NOT NULL,
	`profile_count` integer NOT NULL,
	`entered` integer NOT NULL,
	`exited` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `snapshots_version` ON `snapshots` (`version`);--> statement-breakpoint
CREATE INDEX `snapshots_segment` ON `snapshots` (`segment_id`,`evaluated_at`,`id`);--> statement-breakpoint
CREATE INDEX `snapshots_job` ON `snapshots` (`job_id`);