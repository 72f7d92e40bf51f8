import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.LogDirDescription;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.ReplicaInfo;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionReplica;
import org.apache.kafka.common.serialization.LongDeserializer;
import org.apache.kafka.common.serialization.LongSerializer;

/**
 * Log directories, as Kafka's admin client sees them: where partitions lie, and moving them while a producer
 * writes and a consumer reads. Arguments: bootstrap address, topic prefix. The broker has three directories.
 */
public final class DirectorySuite {
    private static final int PARTITIONS = 3;
    private static String bootstrap;
    private static String prefix;

    public static void main(String[] arguments) throws Exception {
        bootstrap = arguments[0];
        prefix = arguments[1];
        Report report = new Report("java-directories", 1);
        report.check("partitions are spread over the directories", DirectorySuite::spread);
        report.check("a partition moves and moves back", DirectorySuite::there);
        report.check("what cannot be moved", DirectorySuite::refused);
        report.check("partitions move under load", DirectorySuite::underLoad);
        System.exit(report.finish());
    }

    private static Admin admin() {
        return Admin.create(Map.of("bootstrap.servers", bootstrap));
    }

    private static Map<String, LogDirDescription> directories(Admin admin) throws Exception {
        return admin.describeLogDirs(List.of(1)).allDescriptions().get().get(1);
    }

    /** Creates a topic and waits until each partition has its folder. */
    private static String topic(Admin admin, String name) throws Exception {
        return topic(admin, name, PARTITIONS);
    }

    private static String topic(Admin admin, String name, int partitions) throws Exception {
        String topic = prefix + name;
        NewTopic wanted = new NewTopic(topic, partitions, (short) 1);
        admin.createTopics(List.of(wanted.configs(Map.of("segment.bytes", "1048576")))).all().get();
        Report.await("each partition has its folder", () -> homes(admin, topic).size() == partitions);
        return topic;
    }

    /** In which directory each partition is; those that move are left out. */
    private static Map<Integer, String> homes(Admin admin, String topic) throws Exception {
        Map<Integer, String> homes = new TreeMap<>();
        Set<Integer> moving = new TreeSet<>();
        for (Map.Entry<String, LogDirDescription> directory : directories(admin).entrySet()) {
            for (Map.Entry<TopicPartition, ReplicaInfo> replica : directory.getValue().replicaInfos().entrySet()) {
                if (!replica.getKey().topic().equals(topic)) continue;
                if (replica.getValue().isFuture()) moving.add(replica.getKey().partition());
                else homes.put(replica.getKey().partition(), directory.getKey());
            }
        }
        moving.forEach(homes::remove);
        return homes;
    }

    private static void move(Admin admin, String topic, int partition, String directory) throws Exception {
        TopicPartitionReplica replica = new TopicPartitionReplica(topic, partition, 1);
        admin.alterReplicaLogDirs(Map.of(replica, directory)).all().get();
    }

    private static String spread() throws Exception {
        try (Admin admin = admin()) {
            Map<String, LogDirDescription> directories = directories(admin);
            boolean sizes = directories.values().stream().allMatch(it -> it.error() == null
                    && it.totalBytes().orElse(0) > 0 && it.usableBytes().orElse(0) <= it.totalBytes().orElse(0));
            // Many: a directory that has more than the others, of which other suites have moved some there, is given none at first.
            String topic = topic(admin, "spread", 60);
            return directories.size() + " directories, sizes " + sizes + ", partitions in "
                    + new TreeSet<>(homes(admin, topic).values()).size();
        }
    }

    private static String there() throws Exception {
        try (Admin admin = admin()) {
            String topic = topic(admin, "there");
            String home = homes(admin, topic).get(0);
            List<String> others = new ArrayList<>(new TreeSet<>(directories(admin).keySet()));
            others.remove(home);
            try (KafkaProducer<Long, Long> producer = producer()) {
                for (long value = 0; value < 100; value++) producer.send(new ProducerRecord<>(topic, 0, 0L, value));
            }
            StringBuilder told = new StringBuilder();
            for (String directory : List.of(others.get(0), others.get(1), home, home)) {
                move(admin, topic, 0, directory);
                Report.await("the partition is in " + directory, () -> directory.equals(homes(admin, topic).get(0)));
                told.append(read(topic, 1, 100)).append("; ");
            }
            return told.toString();
        }
    }

    private static String refused() throws Exception {
        try (Admin admin = admin()) {
            String topic = topic(admin, "refused");
            String home = homes(admin, topic).get(0);
            StringBuilder told = new StringBuilder();
            Object[][] asked = {{topic, 0, "/no/such/directory"}, {topic, 99, home}, {prefix + "none", 0, home}};
            for (Object[] it : asked) {
                try {
                    move(admin, (String) it[0], (Integer) it[1], (String) it[2]);
                    told.append("moved; ");
                } catch (ExecutionException error) {
                    told.append(Report.errorName(error)).append("; ");
                }
            }
            return told.toString();
        }
    }

    /** Every partition goes round the directories while it is written and read. */
    private static String underLoad() throws Exception {
        try (Admin admin = admin()) {
            String topic = topic(admin, "load");
            List<String> all = new ArrayList<>(new TreeSet<>(directories(admin).keySet()));
            AtomicBoolean stop = new AtomicBoolean();
            AtomicLong acked = new AtomicLong();
            CompletableFuture<long[]> sent = CompletableFuture.supplyAsync(() -> write(topic, stop, acked));
            CompletableFuture<long[]> seen = CompletableFuture.supplyAsync(() -> follow(topic, sent));
            Report.await("enough is written to tell", () -> sent.isDone() || acked.get() >= 100 * PARTITIONS);
            int moves = 0;
            for (int round = 0; round < 4; round++) {
                Map<Integer, String> homes = new HashMap<>(homes(admin, topic));
                for (int partition = 0; partition < PARTITIONS; partition++) {
                    int at = all.indexOf(homes.get(partition));
                    homes.put(partition, all.get((at + 1) % all.size()));
                    move(admin, topic, partition, homes.get(partition));
                    moves++;
                }
                Report.await("the partitions are in " + homes, () -> homes.equals(homes(admin, topic)));
            }
            stop.set(true);
            long[] counts = sent.get();
            long[] consumed = seen.get();
            for (int partition = 0; partition < PARTITIONS; partition++) {
                if (counts[partition] != consumed[partition])
                    throw new IllegalStateException("sent " + counts[partition] + ", seen " + consumed[partition]);
            }
            return moves + " moves; each record once, in order: " + read(topic, PARTITIONS, -1).startsWith("in order");
        }
    }

    private static KafkaProducer<Long, Long> producer() {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("key.serializer", LongSerializer.class.getName());
        properties.put("value.serializer", LongSerializer.class.getName());
        properties.put("linger.ms", "2");
        return new KafkaProducer<>(properties);
    }

    private static KafkaConsumer<Long, Long> consumer(String topic, int partitions) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("key.deserializer", LongDeserializer.class.getName());
        properties.put("value.deserializer", LongDeserializer.class.getName());
        properties.put("auto.offset.reset", "none");
        KafkaConsumer<Long, Long> consumer = new KafkaConsumer<>(properties);
        List<TopicPartition> all =
                IntStream.range(0, partitions).mapToObj(index -> new TopicPartition(topic, index)).toList();
        consumer.assign(all);
        consumer.seekToBeginning(all);
        return consumer;
    }

    /** Writes 0, 1, 2 … to each partition; how many. */
    private static long[] write(String topic, AtomicBoolean stop, AtomicLong acked) {
        long[] counts = new long[PARTITIONS];
        List<Exception> errors = new ArrayList<>();
        try (KafkaProducer<Long, Long> producer = producer()) {
            while (!stop.get()) {
                for (int partition = 0; partition < PARTITIONS; partition++) {
                    producer.send(new ProducerRecord<>(topic, partition, (long) partition, counts[partition]++),
                            (metadata, error) -> {
                                if (error != null) errors.add(error);
                                else acked.incrementAndGet();
                            });
                }
                if (counts[0] % 50 == 0) Thread.sleep(1);
            }
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
        }
        if (!errors.isEmpty()) throw new IllegalStateException(errors.get(0));
        return counts;
    }

    /** Reads along until all that was sent was seen. */
    private static long[] follow(String topic, CompletableFuture<long[]> sent) {
        long[] seen = new long[PARTITIONS];
        try (KafkaConsumer<Long, Long> consumer = consumer(topic, PARTITIONS)) {
            long until = System.nanoTime() + Duration.ofMillis(2 * Report.WAIT_MS).toNanos();
            while (System.nanoTime() < until) {
                for (ConsumerRecord<Long, Long> record : consumer.poll(Duration.ofMillis(100))) {
                    if (record.value() != seen[record.partition()] || record.offset() != record.value())
                        throw new IllegalStateException("after " + seen[record.partition()] + " comes " + record);
                    seen[record.partition()]++;
                }
                if (sent.isDone() && IntStream.range(0, PARTITIONS).allMatch(it -> seen[it] == sent.join()[it])) break;
            }
        }
        return seen;
    }

    /** Reads all from the start; `wanted` records in each partition, unless it is -1. */
    private static String read(String topic, int partitions, long wanted) {
        long[] seen = new long[partitions];
        try (KafkaConsumer<Long, Long> consumer = consumer(topic, partitions)) {
            Map<TopicPartition, Long> ends = consumer.endOffsets(consumer.assignment());
            while (ends.entrySet().stream().anyMatch(end -> seen[end.getKey().partition()] < end.getValue())) {
                for (ConsumerRecord<Long, Long> record : consumer.poll(Duration.ofMillis(500))) {
                    if (record.value() != seen[record.partition()]) return "after " + seen[record.partition()] + " " + record.value();
                    seen[record.partition()]++;
                }
            }
        }
        if (wanted >= 0 && seen[0] != wanted) return seen[0] + " instead of " + wanted;
        return "in order" + (wanted >= 0 ? " " + wanted : "");
    }
}
