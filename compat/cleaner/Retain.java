import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardWatchEventKinds;
import java.nio.file.WatchKey;
import java.nio.file.WatchService;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.DeletedRecords;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;

/**
 * What two brokers keep of their logs, and what their clients see of that: retention by time and by size, DeleteRecords,
 * `compact,delete`, and topics that are deleted. Arguments: name, address and data folder of each.
 * Both look at their logs all the time, and remove the folders of deleted topics after a second.
 */
public final class Retain {
    private static final int SEGMENTS = 5;
    private static final int RECORDS = 10;
    private static final long HOUR_MS = 3_600_000;
    private static final int VALUE_SIZE = 1000;

    public static void main(String[] arguments) throws Exception {
        List<Side> sides = List.of(new Side(arguments[0], arguments[1], arguments[2]),
                new Side(arguments[3], arguments[4], arguments[5]));
        Map<String, Side.Step> checks = new LinkedHashMap<>();
        checks.put("retention.ms", Retain::byTime);
        checks.put("retention.bytes", Retain::bySize);
        checks.put("DeleteRecords", Retain::byRequest);
        checks.put("compact,delete", Retain::compactAndDelete);
        checks.put("a consumer whose records are gone", Retain::readers);
        checks.put("file.delete.delay.ms", Retain::files);
        checks.put("a deleted topic", Retain::topic);
        List<CompletableFuture<String>> told = checks.entrySet().stream()
                .map(check -> CompletableFuture.supplyAsync(
                        () -> check.getKey() + ": " + Side.same(sides, check.getKey(), check.getValue()),
                        task -> new Thread(task).start()))
                .toList();
        for (CompletableFuture<String> it : told) System.out.println(it.get());
        sides.forEach(Side::close);
        System.exit(0);
    }

    /** A topic of five segments of ten records, an hour between them; the newest an hour old. */
    private static TopicPartition fill(Side side, String topic, String... configs) throws Exception {
        Map<String, String> all = new LinkedHashMap<>(
                Map.of("segment.ms", "1000", "retention.ms", "-1", "file.delete.delay.ms", "100"));
        for (int i = 0; i < configs.length; i += 2) all.put(configs[i], configs[i + 1]);
        TopicPartition partition = side.create(topic, all);
        long now = System.currentTimeMillis();
        try (KafkaProducer<String, String> producer = side.producer("none")) {
            for (int segment = 0; segment < SEGMENTS; segment++) {
                long time = now - (SEGMENTS - segment) * HOUR_MS;
                for (int record = 0; record < RECORDS; record++) {
                    String value = "x".repeat(VALUE_SIZE);
                    producer.send(new ProducerRecord<>(topic, 0, time, "k" + record, value));
                }
                producer.flush();
            }
        }
        return partition;
    }

    private static void untilStart(Side side, TopicPartition partition, long start) throws Exception {
        side.until(partition + " starts at " + start, () -> side.start(partition) == start);
    }

    private static String bounds(Side side, TopicPartition partition) throws Exception {
        return side.start(partition) + " to " + side.end(partition);
    }

    /** Segments, by where they begin, that are not deleted. */
    private static List<Long> segments(Side side, TopicPartition partition) throws Exception {
        return side.files(partition, ".log").stream().map(Side::base).toList();
    }

    /** Old segments go, the active one last; the log goes on behind them. */
    private static String byTime(Side side) throws Exception {
        TopicPartition partition = fill(side, "kept-by-time");
        String told = bounds(side, partition);
        side.set(partition.topic(), "retention.ms", "" + (5 * HOUR_MS / 2));
        untilStart(side, partition, 30);
        told += "; after 2.5 hours " + bounds(side, partition) + " in segments " + segments(side, partition);
        side.set(partition.topic(), "retention.ms", "1000");
        untilStart(side, partition, 50);
        told += "; after a second " + bounds(side, partition) + " in segments " + segments(side, partition);
        side.set(partition.topic(), "retention.ms", "-1");
        try (KafkaProducer<String, String> producer = side.producer("none")) {
            Future<RecordMetadata> next = producer.send(new ProducerRecord<>(partition.topic(), "a", "b"));
            producer.flush();
            told += "; the next is " + next.get().offset();
        }
        long time = side.offset(partition, OffsetSpec.forTimestamp(0));
        return told + ", which is the first by time, " + time;
    }

    /** The oldest segments go while the others have enough. */
    private static String bySize(Side side) throws Exception {
        TopicPartition partition = fill(side, "kept-by-size");
        side.set(partition.topic(), "retention.bytes", "" + 5 * RECORDS * VALUE_SIZE / 2);
        untilStart(side, partition, 20);
        String told = bounds(side, partition) + " in segments " + segments(side, partition);
        side.set(partition.topic(), "retention.bytes", "0");
        untilStart(side, partition, 50);
        return told + "; of nothing " + bounds(side, partition) + " in segments " + segments(side, partition);
    }

    private static String delete(Side side, TopicPartition partition, long before) throws Exception {
        try {
            DeletedRecords deleted = side.admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(before)))
                    .lowWatermarks().get(partition).get();
            return "low watermark " + deleted.lowWatermark() + ", " + bounds(side, partition);
        } catch (ExecutionException error) {
            return error.getCause().getClass().getSimpleName();
        }
    }

    /** Records in the middle of a segment are gone at once, their files when the segment is. */
    private static String byRequest(Side side) throws Exception {
        TopicPartition partition = fill(side, "kept-by-request");
        StringBuilder told = new StringBuilder();
        for (long before : new long[] {25, 10, 51, 49}) {
            told.append("before " + before + " " + delete(side, partition, before) + "; ");
            long first = side.start(partition) / RECORDS * RECORDS;
            side.until("segments from " + first + " on", () -> segments(side, partition).get(0) == first);
        }
        return told + "all " + delete(side, partition, -1);
    }

    /** Old segments go, and of what stays each key's last record. */
    private static String compactAndDelete(Side side) throws Exception {
        TopicPartition partition = fill(side, "kept-and-compacted", "cleanup.policy", "compact,delete",
                "min.cleanable.dirty.ratio", "0.01");
        side.untilCleaned(partition, 40);
        String told = bounds(side, partition) + " has " + offsets(side, partition, 0);
        // The four compacted segments became one, which is as young as the last of them.
        side.set(partition.topic(), "retention.ms", "" + (3 * HOUR_MS / 2));
        untilStart(side, partition, 40);
        told += "; then " + bounds(side, partition) + " has " + offsets(side, partition, 40);
        side.set(partition.topic(), "retention.ms", "1000");
        untilStart(side, partition, 50);
        return told + "; then " + bounds(side, partition);
    }

    private static List<Long> offsets(Side side, TopicPartition partition, long from) throws Exception {
        List<Long> offsets = new ArrayList<>();
        try (KafkaConsumer<String, String> consumer = side.consumer(partition, "none")) {
            consumer.seek(partition, from);
            long end = side.end(partition);
            side.until("the end of " + partition, () -> {
                for (ConsumerRecord<String, String> it : consumer.poll(Duration.ofMillis(50))) offsets.add(it.offset());
                return consumer.position(partition) >= end;
            });
        }
        return offsets;
    }

    /** Readers in the middle of what goes: one without a reset, and one for each. */
    private static String readers(Side side) throws Exception {
        TopicPartition partition = fill(side, "kept-from-readers");
        List<String> resets = List.of("none", "earliest", "latest");
        List<KafkaConsumer<String, String>> consumers = new ArrayList<>();
        for (String reset : resets) {
            KafkaConsumer<String, String> consumer = side.consumer(partition, reset);
            consumer.seek(partition, 5);
            // The first few only, by the size of a fetch.
            side.until("a record", () -> !consumer.poll(Duration.ofMillis(50)).isEmpty());
            consumers.add(consumer);
        }
        side.set(partition.topic(), "retention.ms", "" + (5 * HOUR_MS / 2));
        untilStart(side, partition, 30);
        StringBuilder told = new StringBuilder();
        for (int i = 0; i < resets.size(); i++) {
            KafkaConsumer<String, String> consumer = consumers.get(i);
            // What it has fetched already is none of the broker's.
            consumer.seek(partition, 7);
            String reset = resets.get(i);
            List<Long> found = new ArrayList<>();
            try {
                side.until("an answer for " + reset, () -> {
                    for (ConsumerRecord<String, String> it : consumer.poll(Duration.ofMillis(50))) found.add(it.offset());
                    return !found.isEmpty() || consumer.position(partition) == 50;
                });
                told.append(reset + " goes on at " + (found.isEmpty() ? 50 : found.get(0)) + "; ");
            } catch (OffsetOutOfRangeException error) {
                told.append(reset + ": " + error.getClass().getSimpleName() + error.offsetOutOfRangePartitions() + "; ");
            }
            consumer.close();
        }
        return told.toString();
    }

    /** Files of deleted segments stay for the delay. */
    private static String files(Side side) throws Exception {
        TopicPartition gone = fill(side, "kept-no-files", "retention.ms", "1000");
        TopicPartition stays = fill(side, "kept-files", "file.delete.delay.ms", "86400000");
        untilStart(side, gone, 50);
        side.set(stays.topic(), "retention.ms", "1000");
        untilStart(side, stays, 50);
        side.until("the files go", () -> side.files(gone, ".deleted").isEmpty());
        side.until("the files are renamed", () -> side.files(stays, ".log.deleted").size() == SEGMENTS);
        return segments(side, gone) + " and " + segments(side, stays) + ", of the latter " + side.files(stays, ".log.deleted");
    }

    /** The folder is renamed at once, and goes after the broker's delay, whatever the topic says of its files. */
    private static String topic(Side side) throws Exception {
        TopicPartition partition = fill(side, "kept-no-more", "file.delete.delay.ms", "86400000");
        List<String> seen = new ArrayList<>();
        try (WatchService watch = side.data.getFileSystem().newWatchService()) {
            // Told of it even when it is gone again before anybody looks.
            WatchKey key = side.data.register(watch, StandardWatchEventKinds.ENTRY_CREATE);
            side.admin.deleteTopics(List.of(partition.topic())).all().get();
            side.until("its folder is renamed", () -> {
                key.pollEvents().stream().map(it -> it.context().toString())
                        .filter(it -> isDeleted(it, partition.topic())).forEach(seen::add);
                return !seen.isEmpty();
            });
        }
        side.until("its folder goes", () -> {
            try (Stream<Path> folders = Files.list(side.data)) {
                return folders.map(it -> it.getFileName().toString()).noneMatch(it -> isDeleted(it, partition.topic()));
            }
        });
        String name = seen.get(0).replaceFirst("[0-9a-f]{32}", "ID");
        TopicPartition again = side.create(partition.topic(), Map.of());
        return name + ", then none; again " + bounds(side, again);
    }

    private static boolean isDeleted(String folder, String topic) {
        return folder.startsWith(topic) && folder.endsWith("-delete");
    }
}
