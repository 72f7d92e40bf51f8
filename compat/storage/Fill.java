import java.time.Duration;
import java.util.*;
import java.util.concurrent.TimeUnit;

import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.*;

/**
 * Fills a broker so that its log directory has some of everything: every codec, several segments, a compacted
 * topic, committed and aborted transactions, classic, consumer and share groups, a deleted topic.
 * Arguments: bootstrap address. See crates/ottla/testdata/README.md for what is kept of it.
 */
public final class Fill {
    private static String bootstrap;

    public static void main(String[] arguments) throws Exception {
        bootstrap = arguments[0];
        boolean all = arguments.length < 2 || !arguments[1].equals("basic");
        try (Admin admin = Admin.create(Map.<String, Object>of("bootstrap.servers", bootstrap))) {
            List<NewTopic> topics = new ArrayList<>();
            for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) topics.add(new NewTopic("codec-" + codec, 1, (short) 1));
            topics.add(new NewTopic("rolled", 2, (short) 1).configs(Map.of("segment.ms", "200", "index.interval.bytes", "200")));
            topics.add(new NewTopic("times", 1, (short) 1).configs(Map.of("message.timestamp.type", "LogAppendTime")));
            topics.add(new NewTopic("ledger", 1, (short) 1).configs(Map.of("segment.ms", "500")));
            topics.add(new NewTopic("gone", 1, (short) 1));
            if (all) topics.add(new NewTopic("table", 1, (short) 1).configs(Map.of("cleanup.policy", "compact", "segment.ms", "200",
                "min.cleanable.dirty.ratio", "0.01", "delete.retention.ms", "100")));
            admin.createTopics(topics).all().get();

            for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd"))
                send("codec-" + codec, 0, 60, Map.of("compression.type", codec, "linger.ms", "50"), 0);
            for (int round = 0; round < 4; round++) {
                send("rolled", 0, 20, Map.of("enable.idempotence", "true", "batch.size", "150"), round * 20);
                send("rolled", 1, 10, Map.of("enable.idempotence", "false", "batch.size", "150"), round * 10);
                Thread.sleep(300);
            }
            send("times", 0, 10, Map.of(), 0);
            send("gone", 0, 3, Map.of(), 0);
            if (all) {
                for (int round = 0; round < 3; round++) { table(round); Thread.sleep(300); }
                transactions();
            }
            classicGroup(admin);
            if (all) {
                group("consumer-group", Map.of("group.protocol", "consumer"));
                admin.incrementalAlterConfigs(Map.of(new ConfigResource(ConfigResource.Type.GROUP, "share-group"),
                    List.of(new AlterConfigOp(new ConfigEntry("share.auto.offset.reset", "earliest"), AlterConfigOp.OpType.SET)))).all().get();
                share();
            }
            admin.deleteRecords(Map.of(new TopicPartition("codec-none", 0), RecordsToDelete.beforeOffset(7))).all().get();
            admin.deleteTopics(List.of("gone")).all().get();
            if (all) Thread.sleep(20000); // until the cleaner has been through the table
        }
    }

    private static Producer<String, String> producer(Map<String, String> more) {
        Map<String, Object> config = new HashMap<>(Map.of("bootstrap.servers", bootstrap));
        config.putAll(more);
        return new KafkaProducer<>(config, new StringSerializer(), new StringSerializer());
    }

    private static void send(String topic, int partition, int count, Map<String, String> config, int first) throws Exception {
        try (Producer<String, String> producer = producer(config)) {
            for (int n = first; n < first + count; n++) {
                ProducerRecord<String, String> record = new ProducerRecord<>(topic, partition, 1_750_000_000_000L + n * 40L, n % 5 == 4 ? null : "key-" + n, "value " + n + " of " + topic);
                if (n % 7 == 3) record.headers().add(new RecordHeader("trace", ("t" + n).getBytes()));
                producer.send(record);
            }
        }
    }

    private static void table(int round) throws Exception {
        try (Producer<String, String> producer = producer(Map.of("enable.idempotence", "true"))) {
            for (int n = 0; n < 12; n++) producer.send(new ProducerRecord<>("table", 0, "k" + n % 4, round == 1 && n == 5 ? null : "r" + round + "n" + n)).get();
        }
    }

    private static void transactions() throws Exception {
        try (Producer<String, String> producer = producer(Map.of("transactional.id", "teller"))) {
            producer.initTransactions();
            for (int n = 0; n < 6; n++) {
                producer.beginTransaction();
                for (int m = 0; m < 3; m++) producer.send(new ProducerRecord<>("ledger", 0, "account-" + m, "entry " + n));
                producer.flush();
                if (n % 3 == 1) producer.abortTransaction(); else producer.commitTransaction();
                if (n == 2) Thread.sleep(700);
            }
        }
        try (Producer<String, String> producer = producer(Map.of("transactional.id", "second"))) {
            producer.initTransactions();
            producer.beginTransaction();
            producer.send(new ProducerRecord<>("ledger", 0, "account-9", "never")).get();
            producer.abortTransaction();
        }
    }

    private static void classicGroup(Admin admin) throws Exception {
        group("classic-group", Map.of("group.protocol", "classic"));
        admin.alterConsumerGroupOffsets("admin-group", Map.of(new TopicPartition("codec-gzip", 0), new OffsetAndMetadata(5, "by hand"))).all().get();
        admin.deleteConsumerGroups(List.of("admin-group")).all().get();
    }

    private static void group(String name, Map<String, String> more) throws Exception {
        Map<String, Object> config = new HashMap<>(Map.of("bootstrap.servers", bootstrap, "group.id", name, "auto.offset.reset", "earliest", "enable.auto.commit", "false"));
        config.putAll(more);
        try (Consumer<String, String> consumer = new KafkaConsumer<>(config, new StringDeserializer(), new StringDeserializer())) {
            consumer.subscribe(List.of("codec-gzip", "rolled"));
            for (int seen = 0, polls = 0; seen < 100 && polls < 100; polls++) seen += consumer.poll(Duration.ofMillis(200)).count();
            consumer.commitSync();
        }
    }

    private static void share() throws Exception {
        Map<String, Object> config = new HashMap<>(Map.of("bootstrap.servers", bootstrap, "group.id", "share-group"));
        try (ShareConsumer<String, String> consumer = new KafkaShareConsumer<>(config, new StringDeserializer(), new StringDeserializer())) {
            consumer.subscribe(List.of("times"));
            for (int seen = 0, polls = 0; seen < 10 && polls < 60; polls++) seen += consumer.poll(Duration.ofMillis(200)).count();
            consumer.commitSync();
        }
    }
}
