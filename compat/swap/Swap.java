import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * What a data directory holds while brokers take turns on it: `begin`, `write`, `transact` and `check`, each run
 * against whichever broker serves the directory at the time. All that was written is noted in a file, a line each;
 * `check` compares everything the broker has with it.
 */
public final class Swap {
    private static final String PLAIN = "swap-plain";
    private static final String COMPACTED = "swap-compacted";
    private static final String TRANSACTIONS = "swap-transactions";
    private static final String GROUP = "swap-group";
    private static final String TRANSACTIONAL_GROUP = "swap-transactional-group";
    private static final int PARTITIONS = 3;
    private static final ConfigResource ALL_BROKERS = new ConfigResource(ConfigResource.Type.BROKER, "");
    private static final String BROKER_CONFIG = "log.retention.ms";
    private static final String BROKER_VALUE = "604800123";
    private static final Map<String, Map<String, String>> CONFIGS = Map.of(
            PLAIN, Map.of("segment.bytes", "1048576", "retention.ms", "-1", "index.interval.bytes", "1000"),
            COMPACTED, Map.of("cleanup.policy", "compact", "min.cleanable.dirty.ratio", "0.01"),
            TRANSACTIONS, Map.of("max.message.bytes", "500000"));

    /** Against hangs, not a measure of speed. */
    private static final Duration PATIENCE = Duration.ofMinutes(5);

    private final String bootstrap;
    private final Path notes;
    private final int step;
    private final int records;
    private final List<String> noted = new ArrayList<>();

    private Swap(String bootstrap, Path notes, int step, int records) {
        this.bootstrap = bootstrap;
        this.notes = notes;
        this.step = step;
        this.records = records;
    }

    /** BOOTSTRAP NOTES ACTION,… STEP RECORDS */
    public static void main(String[] arguments) throws Exception {
        Swap swap = new Swap(arguments[0], Path.of(arguments[1]), Integer.parseInt(arguments[3]),
                Integer.parseInt(arguments[4]));
        for (String action : arguments[2].split(",")) {
            switch (action) {
                case "begin" -> swap.begin();
                case "write" -> swap.write();
                case "transact" -> swap.transact();
                case "check" -> swap.check();
                default -> throw new IllegalArgumentException(action);
            }
            swap.save();
        }
    }

    private void note(Object... words) {
        noted.add(String.join(" ", List.of(words).stream().map(Object::toString).toList()));
    }

    private void save() throws IOException {
        Files.write(notes, noted, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        noted.clear();
    }

    private Admin admin() {
        return Admin.create(Map.of("bootstrap.servers", bootstrap));
    }

    /** Topics, and what the cluster is. */
    private void begin() throws Exception {
        try (Admin admin = admin()) {
            List<NewTopic> topics = CONFIGS.entrySet().stream().map(it -> {
                int partitions = it.getKey().equals(PLAIN) ? PARTITIONS : 1;
                return new NewTopic(it.getKey(), partitions, (short) 1).configs(it.getValue());
            }).collect(Collectors.toCollection(ArrayList::new));
            // For idempotent.py.
            topics.add(new NewTopic("swap-sequence", 1, (short) 1));
            admin.createTopics(topics).all().get();
            AlterConfigOp set = new AlterConfigOp(new ConfigEntry(BROKER_CONFIG, BROKER_VALUE), AlterConfigOp.OpType.SET);
            admin.incrementalAlterConfigs(Map.of(ALL_BROKERS, List.of(set))).all().get();
            cluster(admin).forEach((name, value) -> note("cluster", name, value));
        }
    }

    private Map<String, String> cluster(Admin admin) throws Exception {
        Map<String, String> facts = new TreeMap<>();
        facts.put("id", admin.describeCluster().clusterId().get());
        admin.describeFeatures().featureMetadata().get().finalizedFeatures()
                .forEach((name, range) -> facts.put(name, String.valueOf(range.maxVersionLevel())));
        return facts;
    }

    private Properties producer(String... more) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("key.serializer", StringSerializer.class.getName());
        properties.put("value.serializer", StringSerializer.class.getName());
        String[] codecs = {"none", "gzip", "snappy", "lz4", "zstd"};
        properties.put("compression.type", codecs[step % codecs.length]);
        for (int i = 0; i < more.length; i += 2) properties.put(more[i], more[i + 1]);
        return properties;
    }

    private void send(KafkaProducer<String, String> producer, String fate, List<ProducerRecord<String, String>> all)
            throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (ProducerRecord<String, String> record : all) sent.add(producer.send(record));
        producer.flush();
        for (int i = 0; i < all.size(); i++) {
            RecordMetadata it = sent.get(i).get();
            note(fate, it.topic(), it.partition(), it.offset(), all.get(i).key(), all.get(i).value());
        }
    }

    /** Records to the plain and the compacted topic, and committed offsets. */
    private void write() throws Exception {
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(producer())) {
            List<ProducerRecord<String, String>> plain = new ArrayList<>();
            List<ProducerRecord<String, String>> compacted = new ArrayList<>();
            for (int i = 0; i < records; i++) {
                String value = "step-" + step + "-" + i + "-" + "x".repeat(i % 300);
                plain.add(new ProducerRecord<>(PLAIN, i % PARTITIONS, "k" + i, value));
                compacted.add(new ProducerRecord<>(COMPACTED, 0, "k" + i % 50, value));
            }
            send(producer, "record", plain);
            send(producer, "record", compacted);
        }
        try (KafkaConsumer<String, String> consumer = consumer("read_committed", GROUP)) {
            List<TopicPartition> partitions = plainPartitions();
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            long end = consumer.endOffsets(partitions).values().stream().mapToLong(Long::longValue).sum();
            long read = 0;
            long until = System.nanoTime() + PATIENCE.toNanos();
            while (read < end && System.nanoTime() < until) read += consumer.poll(Duration.ofMillis(200)).count();
            if (read != end) throw new IllegalStateException("read " + read + " of " + end);
            Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
            for (TopicPartition it : partitions) {
                offsets.put(it, new OffsetAndMetadata(consumer.position(it) - step, "step-" + step));
                note("offset", it.topic(), it.partition(), consumer.position(it) - step, "step-" + step);
            }
            consumer.commitSync(offsets);
        }
    }

    private static List<TopicPartition> plainPartitions() {
        List<TopicPartition> partitions = new ArrayList<>();
        for (int i = 0; i < PARTITIONS; i++) partitions.add(new TopicPartition(PLAIN, i));
        return partitions;
    }

    /** Transactions of two producers, one inside the other, committed and aborted. */
    private void transact() throws Exception {
        try (KafkaProducer<String, String> one = new KafkaProducer<>(producer("transactional.id", "swap-one"));
                KafkaProducer<String, String> two = new KafkaProducer<>(producer("transactional.id", "swap-two"))) {
            one.initTransactions();
            two.initTransactions();
            for (int round = 0; round < 6; round++) {
                boolean oneCommits = round % 2 == 0;
                boolean twoCommits = round % 3 == 0;
                one.beginTransaction();
                send(one, oneCommits ? "record" : "aborted", batch("one", round));
                long offset = 1 + 10L * step + round;
                one.sendOffsetsToTransaction(
                        Map.of(new TopicPartition(PLAIN, 0), new OffsetAndMetadata(offset)),
                        new ConsumerGroupMetadata(TRANSACTIONAL_GROUP));
                if (oneCommits) note("transactional", offset);
                two.beginTransaction();
                send(two, twoCommits ? "record" : "aborted", batch("two", round));
                end(one, oneCommits);
                send(two, twoCommits ? "record" : "aborted", batch("two-again", round));
                end(two, twoCommits);
            }
        }
    }

    private static void end(KafkaProducer<String, String> producer, boolean commits) {
        if (commits) producer.commitTransaction();
        else producer.abortTransaction();
    }

    private List<ProducerRecord<String, String>> batch(String who, int round) {
        List<ProducerRecord<String, String>> batch = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            String value = "step-" + step + "-" + who + "-" + round + "-" + i + "x".repeat(200);
            batch.add(new ProducerRecord<>(TRANSACTIONS, 0, "k" + i, value));
        }
        return batch;
    }

    private KafkaConsumer<String, String> consumer(String isolation, String group) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("key.deserializer", StringDeserializer.class.getName());
        properties.put("value.deserializer", StringDeserializer.class.getName());
        properties.put("isolation.level", isolation);
        properties.put("group.id", group);
        properties.put("enable.auto.commit", "false");
        properties.put("max.partition.fetch.bytes", "20000");
        return new KafkaConsumer<>(properties);
    }

    /** Everything, compared with what was noted. */
    private void check() throws Exception {
        Map<String, String> offsets = new TreeMap<>();
        String transactional = "";
        Map<String, String> cluster = new TreeMap<>();
        Map<String, Map<Long, String>> committed = new TreeMap<>();
        Map<String, Map<Long, String>> all = new TreeMap<>();
        for (String line : Files.readAllLines(notes)) {
            String[] words = line.split(" ");
            String partition = words.length > 3 ? words[1] + "-" + words[2] : "";
            switch (words[0]) {
                case "cluster" -> cluster.put(words[1], words[2]);
                case "transactional" -> transactional = words[1];
                case "offset" -> offsets.put(partition, words[3] + " " + words[4]);
                case "record", "aborted" -> {
                    long offset = Long.parseLong(words[3]);
                    String content = words[4] + " " + words[5];
                    all.computeIfAbsent(partition, it -> new TreeMap<>()).put(offset, content);
                    if (words[0].equals("record")) {
                        committed.computeIfAbsent(partition, it -> new TreeMap<>()).put(offset, content);
                    }
                }
                default -> throw new IllegalStateException(line);
            }
        }
        try (Admin admin = admin()) {
            same("cluster", cluster, cluster(admin));
            Map<String, String> found = new TreeMap<>();
            admin.listConsumerGroupOffsets(GROUP).partitionsToOffsetAndMetadata().get()
                    .forEach((partition, it) -> found.put(partition.toString(), it.offset() + " " + it.metadata()));
            same("committed offsets", offsets, found);
            Map<String, String> inTransactions = new TreeMap<>();
            admin.listConsumerGroupOffsets(TRANSACTIONAL_GROUP).partitionsToOffsetAndMetadata().get()
                    .forEach((partition, it) -> inTransactions.put(partition.toString(), "" + it.offset()));
            Map<String, String> expected =
                    transactional.isEmpty() ? Map.of() : Map.of(PLAIN + "-0", transactional);
            same("offsets committed in transactions", expected, inTransactions);
            Config brokers = admin.describeConfigs(List.of(ALL_BROKERS)).all().get().get(ALL_BROKERS);
            same("configs of all brokers", Map.of(BROKER_CONFIG, BROKER_VALUE),
                    Map.of(BROKER_CONFIG, String.valueOf(brokers.get(BROKER_CONFIG).value())));
            for (Map.Entry<String, Map<String, String>> topic : CONFIGS.entrySet()) {
                ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic.getKey());
                Config config = admin.describeConfigs(List.of(resource)).all().get().get(resource);
                Map<String, String> values = new TreeMap<>();
                topic.getValue().keySet().forEach(name -> values.put(name, config.get(name).value()));
                same("configs of " + topic.getKey(), new TreeMap<>(topic.getValue()), values);
            }
        }
        long count = 0;
        for (String partition : all.keySet()) {
            Map<Long, String> first = read(partition, "read_uncommitted");
            Map<Long, String> second = read(partition, "read_committed");
            if (partition.startsWith(COMPACTED)) {
                // Compaction may go on between two looks, and takes only.
                Map<Long, String> third = read(partition, "read_uncommitted");
                for (Map<Long, String> it : List.of(first, second, third)) compacted(all.get(partition), it);
                if (!first.entrySet().containsAll(second.entrySet()) || !second.entrySet().containsAll(third.entrySet())) {
                    same(partition, first, second);
                    same(partition, second, third);
                }
            } else {
                same(partition, all.get(partition), first);
                same(partition + " read-committed", committed.get(partition), second);
            }
            count += first.size();
        }
        System.out.println(count + " records, " + offsets.size() + " committed offsets");
    }

    /** What is found was written there, and the last of each key is found. */
    private static void compacted(Map<Long, String> written, Map<Long, String> found) {
        Map<String, Long> last = new HashMap<>();
        written.forEach((offset, content) -> last.merge(content.split(" ")[0], offset, Math::max));
        found.forEach((offset, content) -> {
            if (!content.equals(written.get(offset))) throw new IllegalStateException(offset + ": " + content);
        });
        last.forEach((key, offset) -> {
            if (!found.containsKey(offset)) throw new IllegalStateException("the last record of " + key + " is gone");
        });
    }

    private static <K, V> void same(String what, Map<K, V> expected, Map<K, V> found) {
        if (expected.equals(found)) return;
        Map<K, V> missing = new TreeMap<>(expected);
        found.forEach(missing::remove);
        Map<K, V> surplus = new TreeMap<>(found);
        expected.forEach(surplus::remove);
        throw new IllegalStateException(what + ": missing " + shortened(missing) + ", surplus " + shortened(surplus));
    }

    private static String shortened(Map<?, ?> map) {
        String text = map.toString();
        return map.size() + " " + text.substring(0, Math.min(300, text.length()));
    }

    private Map<Long, String> read(String name, String isolation) {
        int dash = name.lastIndexOf('-');
        TopicPartition partition = new TopicPartition(name.substring(0, dash), Integer.parseInt(name.substring(dash + 1)));
        Map<Long, String> found = new TreeMap<>();
        try (KafkaConsumer<String, String> consumer = consumer(isolation, "swap-check")) {
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            long end = consumer.endOffsets(List.of(partition)).get(partition);
            long until = System.nanoTime() + PATIENCE.toNanos();
            while (consumer.position(partition) < end) {
                if (System.nanoTime() > until) {
                    throw new IllegalStateException(name + " stands at " + consumer.position(partition) + " of " + end);
                }
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(200))) {
                    found.put(record.offset(), record.key() + " " + record.value());
                }
            }
        }
        return found;
    }
}
