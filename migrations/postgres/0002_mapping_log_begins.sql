-- What was mapped before there was a log is its beginning, so that whoever follows from the start has everything.
INSERT INTO mapping_changes (destination_id, seq, mapping_id, at)
SELECT destination_id, row_number() OVER (PARTITION BY destination_id ORDER BY id), id, updated_at
FROM segment_mappings
WHERE destination_id IN (SELECT id FROM destinations WHERE change_seq = 0);
--> statement-breakpoint
UPDATE destinations
SET change_seq = (SELECT count(*) FROM segment_mappings WHERE segment_mappings.destination_id = destinations.id)
WHERE change_seq = 0;
