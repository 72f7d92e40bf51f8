import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** One of two brokers that are asked for the same: its address, and the folder with its logs. */
final class Side implements AutoCloseable {
    /** No wait for a condition takes nearly as long. */
    static final long PATIENCE_MS = 300_000;

    /** Nobody waits for it. */
    static final String LINGER_MS = "" + PATIENCE_MS;

    final String name;
    final String bootstrap;
    final Path data;
    final Admin admin;

    Side(String name, String bootstrap, String data) {
        this.name = name;
        this.bootstrap = bootstrap;
        this.data = Path.of(data);
        this.admin = Admin.create(Map.of("bootstrap.servers", bootstrap));
    }

    @Override
    public void close() {
        admin.close();
    }

    TopicPartition create(String topic, Map<String, String> configs) throws Exception {
        admin.createTopics(List.of(new NewTopic(topic, 1, (short) 1).configs(configs))).all().get();
        TopicPartition partition = new TopicPartition(topic, 0);
        until("the folder of " + topic, () -> Files.isDirectory(data.resolve(partition.toString())));
        return partition;
    }

    void set(String topic, String key, String value) throws Exception {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        AlterConfigOp set = new AlterConfigOp(new ConfigEntry(key, value), AlterConfigOp.OpType.SET);
        admin.incrementalAlterConfigs(Map.of(resource, List.of(set))).all().get();
    }

    long offset(TopicPartition partition, OffsetSpec spec) throws Exception {
        return admin.listOffsets(Map.of(partition, spec)).partitionResult(partition).get().offset();
    }

    long start(TopicPartition partition) throws Exception {
        return offset(partition, OffsetSpec.earliest());
    }

    long end(TopicPartition partition) throws Exception {
        return offset(partition, OffsetSpec.latest());
    }

    /** Batches leave when they are full or flushed and at no time: what is sent between two flushes is cut the same each time. */
    KafkaProducer<String, String> producer(String codec) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("key.serializer", StringSerializer.class.getName());
        properties.put("value.serializer", StringSerializer.class.getName());
        properties.put("compression.type", codec);
        properties.put("linger.ms", LINGER_MS);
        properties.put("delivery.timeout.ms", "" + 2 * PATIENCE_MS);
        properties.put("enable.idempotence", "true");
        return new KafkaProducer<>(properties);
    }

    KafkaConsumer<String, String> consumer(TopicPartition partition, String reset) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("key.deserializer", StringDeserializer.class.getName());
        properties.put("value.deserializer", StringDeserializer.class.getName());
        properties.put("auto.offset.reset", reset);
        // So that a compacted log is read in many steps, each of which must find on.
        properties.put("max.partition.fetch.bytes", "2000");
        properties.put("fetch.max.wait.ms", "50");
        KafkaConsumer<String, String> consumer = new KafkaConsumer<>(properties);
        consumer.assign(List.of(partition));
        return consumer;
    }

    /** The files of a partition that end so, in the order of their offsets. */
    List<String> files(TopicPartition partition, String ending) throws IOException {
        try (Stream<Path> files = Files.list(data.resolve(partition.toString()))) {
            return files.map(it -> it.getFileName().toString()).filter(it -> it.endsWith(ending)).sorted().toList();
        }
    }

    /** Where a segment begins, by its file. */
    static long base(String file) {
        return Long.parseLong(file.substring(0, file.indexOf('.')));
    }

    /** Waits until the log is compacted up to this offset; the broker itself says so in its checkpoint. */
    void untilCleaned(TopicPartition partition, long to) throws Exception {
        Path checkpoint = data.resolve("cleaner-offset-checkpoint");
        String wanted = partition.topic() + " " + partition.partition() + " " + to;
        until(wanted + " in its cleaner-offset-checkpoint",
                () -> Files.exists(checkpoint) && Files.readAllLines(checkpoint).contains(wanted));
    }

    void until(String what, Callable<Boolean> condition) throws Exception {
        long end = System.nanoTime() + PATIENCE_MS * 1_000_000;
        while (!condition.call()) {
            if (System.nanoTime() > end) throw new IllegalStateException(name + ": it never came to be: " + what);
            Thread.sleep(10);
        }
    }

    interface Step {
        String run(Side side) throws Exception;
    }

    /** Asks both for the same at once; the answer, which must be one. */
    static String same(List<Side> sides, String what, Step step) {
        List<CompletableFuture<String>> asked = new ArrayList<>();
        for (Side side : sides) {
            asked.add(CompletableFuture.supplyAsync(() -> {
                try {
                    return step.run(side);
                } catch (Exception error) {
                    throw new IllegalStateException(what + ", with " + side.name, error);
                }
            }, task -> new Thread(task).start()));
        }
        List<String> answers = asked.stream().map(CompletableFuture::join).toList();
        for (String answer : answers) {
            if (answer.equals(answers.get(0))) continue;
            throw new IllegalStateException(what + ": " + difference(sides, answers.get(0), answer));
        }
        return answers.get(0);
    }

    private static String difference(List<Side> sides, String one, String two) {
        List<String> first = one.lines().toList();
        List<String> second = two.lines().toList();
        int at = 0;
        while (at < Math.min(first.size(), second.size()) && first.get(at).equals(second.get(at))) at++;
        String left = at < first.size() ? first.get(at) : "nothing";
        String right = at < second.size() ? second.get(at) : "nothing";
        return "in line " + (at + 1) + " " + sides.get(0).name + " has " + left + ", " + sides.get(1).name + " " + right;
    }
}
