import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.BooleanSupplier;

import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.*;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.*;
import org.apache.kafka.streams.CloseOptions;
import org.apache.kafka.streams.kstream.*;
import org.apache.kafka.streams.state.*;

/**
 * Kafka Streams, at least once: words are counted by an application of two instances, of which one leaves, and which
 * is then started anew without its state. Arguments: bootstrap address, topic prefix.
 */
public final class StreamsSuite {
    private static final Duration CLOSING = Duration.ofMillis(Report.WAIT_MS);
    private static final int PARTITIONS = 3;
    private static final List<String> WORDS = List.of("hand", "hut", "hat", "hund", "huhn");

    private static String bootstrap;
    private static String prefix;
    private static Admin admin;

    public static void main(String[] arguments) throws Exception {
        bootstrap = arguments[0];
        prefix = arguments[1];
        admin = Admin.create(Map.of("bootstrap.servers", bootstrap));
        Report report = new Report("java-streams", 1);
        report.check("word-count", StreamsSuite::wordCount);
        int code = report.finish();
        System.out.flush();
        Runtime.getRuntime().halt(code);
    }

    private static String wordCount() throws Exception {
        String lines = prefix + "streams-lines";
        String counts = prefix + "streams-counts";
        admin.createTopics(List.of(
                new NewTopic(lines, Optional.of(PARTITIONS), Optional.empty()),
                new NewTopic(counts, Optional.of(PARTITIONS), Optional.empty()))).all().get();
        List<String> answer = new ArrayList<>();

        KafkaStreams first = start(lines, counts, "first");
        write(lines, 500);
        awaitCounts(counts, 500);
        KafkaStreams second = start(lines, counts, "second");
        until("both instances have tasks", () -> hasTasks(first) && hasTasks(second));
        write(lines, 300);
        awaitCounts(counts, 800);
        answer.add("topics " + internalTopics());
        awaitPurged();
        first.close(leave());
        write(lines, 200);
        awaitCounts(counts, 1000);
        second.close(leave());

        // The counts are in memory: a new process has them from the changelog only.
        KafkaStreams anew = start(lines, counts, "anew");
        write(lines, 100);
        answer.add("counts " + awaitCounts(counts, 1100));
        anew.close(CLOSING);
        GroupListing group = admin.listGroups().all().get().stream()
                .filter(it -> it.groupId().equals(prefix + "streams")).findFirst().orElseThrow();
        answer.add("group " + group.type().orElseThrow() + " " + group.protocol());
        return String.join("; ", answer);
    }

    private static KafkaStreams start(String lines, String counts, String instance) {
        StreamsBuilder builder = new StreamsBuilder();
        KGroupedStream<String, String> words = builder
                .stream(lines, Consumed.with(Serdes.String(), Serdes.String()))
                .flatMapValues(line -> List.of(line.split(" ")))
                .groupBy((key, word) -> word, Grouped.<String, String>as("words").withKeySerde(Serdes.String()).withValueSerde(Serdes.String()));
        words.count(Materialized.<String, Long>as(Stores.inMemoryKeyValueStore("totals"))
                        .withKeySerde(Serdes.String()).withValueSerde(Serdes.Long()))
                .toStream().to(counts, Produced.with(Serdes.String(), Serdes.Long()));
        Duration hour = Duration.ofHours(1);
        words.windowedBy(TimeWindows.ofSizeWithNoGrace(hour))
                .count(Materialized.<String, Long>as(Stores.inMemoryWindowStore("hourly", hour.multipliedBy(2), hour, false))
                        .withKeySerde(Serdes.String()).withValueSerde(Serdes.Long()));
        Properties settings = new Properties();
        settings.putAll(Map.of(
                StreamsConfig.APPLICATION_ID_CONFIG, prefix + "streams",
                StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap,
                StreamsConfig.CLIENT_ID_CONFIG, instance,
                StreamsConfig.STATE_DIR_CONFIG, stateFolder(instance),
                StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100,
                StreamsConfig.REPARTITION_PURGE_INTERVAL_MS_CONFIG, 200,
                StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1,
                StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest"));
        KafkaStreams streams = new KafkaStreams(builder.build(), settings);
        streams.start();
        return streams;
    }

    private static CloseOptions leave() {
        return CloseOptions.timeout(CLOSING)
                .withGroupMembershipOperation(CloseOptions.GroupMembershipOperation.LEAVE_GROUP);
    }

    private static String stateFolder(String instance) {
        try {
            return java.nio.file.Files.createTempDirectory("streams-" + instance).toString();
        } catch (java.io.IOException error) {
            throw new java.io.UncheckedIOException(error);
        }
    }

    private static boolean hasTasks(KafkaStreams streams) {
        return streams.state() == KafkaStreams.State.RUNNING && streams.metadataForLocalThreads().stream()
                .anyMatch(thread -> !thread.activeTasks().isEmpty());
    }

    /** Each line has each word once. */
    private static void write(String topic, int lines) {
        Map<String, Object> settings = Map.of("bootstrap.servers", bootstrap);
        try (var producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
            for (int line = 0; line < lines; line++) {
                producer.send(new ProducerRecord<>(topic, "k" + line, String.join(" ", WORDS)));
            }
        }
    }

    /** Waits until the last count of each word is this one; all of them. */
    private static Map<String, Long> awaitCounts(String topic, long count) {
        Map<String, Long> last = new TreeMap<>();
        Map<String, Object> settings = Map.of("bootstrap.servers", bootstrap);
        try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new LongDeserializer())) {
            List<TopicPartition> partitions = new ArrayList<>();
            for (int i = 0; i < PARTITIONS; i++) partitions.add(new TopicPartition(topic, i));
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            until("all words are counted to " + count, () -> {
                for (var record : consumer.poll(Duration.ofMillis(200))) last.put(record.key(), record.value());
                return last.keySet().equals(Set.copyOf(WORDS)) && last.values().stream().allMatch(it -> it == count);
            });
        }
        return last;
    }

    /** The topics that the application made for itself, with what it set in them. */
    private static List<String> internalTopics() throws Exception {
        List<String> shown = new ArrayList<>();
        for (String topic : new TreeSet<>(admin.listTopics().names().get())) {
            if (!topic.startsWith(prefix + "streams-") || !topic.contains("-words-") && !topic.endsWith("-changelog")) continue;
            ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
            Map<String, String> own = new TreeMap<>();
            for (ConfigEntry entry : admin.describeConfigs(List.of(resource)).all().get().get(resource).entries()) {
                if (entry.source() == ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG) own.put(entry.name(), entry.value());
            }
            int partitions = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size();
            shown.add(topic.substring(prefix.length()) + " of " + partitions + " " + own);
        }
        return shown;
    }

    /** Waits until the records between the two halves of the topology, which both halves are done with, are deleted. */
    private static void awaitPurged() throws Exception {
        Map<TopicPartition, OffsetSpec> starts = new TreeMap<>((a, b) -> Integer.compare(a.partition(), b.partition()));
        for (int i = 0; i < PARTITIONS; i++) {
            starts.put(new TopicPartition(prefix + "streams-words-repartition", i), OffsetSpec.earliest());
        }
        until("the repartition topic is purged", () -> {
            try {
                return admin.listOffsets(starts).all().get().values().stream().anyMatch(it -> it.offset() > 0);
            } catch (Exception error) {
                throw new AssertionError(error);
            }
        });
    }

    private static void until(String what, BooleanSupplier condition) {
        try {
            Report.await(what, condition::getAsBoolean);
        } catch (Exception error) {
            throw new AssertionError(error);
        }
    }
}
