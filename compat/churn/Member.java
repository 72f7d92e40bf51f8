import java.io.BufferedWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Collectors;

import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * A member of a churned group: Kafka's Java consumer. Arguments: BOOTSTRAP TOPIC GROUP OUTPUT STRATEGY.
 *
 * STRATEGY is an assignor of classic groups, or `consumer` for the protocol of KIP-848. Writes `own GENERATION PARTITION...`
 * for each assignment in a classic group, `begin PARTITION...` for what is new in any, and `read PARTITION OFFSET VALUE` for
 * each record; commits after it has written, and leaves the group when its standard input ends.
 */
public final class Member {
    public static void main(String[] arguments) throws Exception {
        String topic = arguments[1];
        String strategy = arguments[4];
        AtomicBoolean running = new AtomicBoolean(true);
        new Thread(() -> {
            try {
                System.in.transferTo(java.io.OutputStream.nullOutputStream());
            } catch (java.io.IOException ended) {
                // Nobody writes to it any more, which is what it waits for.
            }
            running.set(false);
        }).start();
        try (BufferedWriter output = Files.newBufferedWriter(Path.of(arguments[3]), StandardCharsets.UTF_8);
                KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings(arguments[0], arguments[2], strategy))) {
            consumer.subscribe(List.of(topic), new Owned(consumer, output, !strategy.equals("consumer")));
            while (running.get()) {
                try {
                    for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                        String value = new String(record.value(), StandardCharsets.UTF_8);
                        output.write("read " + record.partition() + " " + record.offset() + " " + value + "\n");
                    }
                    output.flush();
                    consumer.commitSync(Duration.ofSeconds(5));
                } catch (KafkaException tryAgain) {
                    // The broker is down, or the group has changed: then it is tried again, by this member or, after it has
                    // read the same, by another.
                }
            }
        }
    }

    private static Properties settings(String bootstrap, String group, String strategy) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("group.id", group);
        settings.put("key.deserializer", ByteArrayDeserializer.class.getName());
        settings.put("value.deserializer", ByteArrayDeserializer.class.getName());
        settings.put("auto.offset.reset", "earliest");
        settings.put("enable.auto.commit", "false");
        settings.put("max.poll.records", "1000");
        settings.put("reconnect.backoff.max.ms", "500");
        if (strategy.equals("consumer")) {
            settings.put("group.protocol", "consumer");
        } else {
            settings.put("partition.assignment.strategy", strategy);
            settings.put("session.timeout.ms", "6000");
            settings.put("heartbeat.interval.ms", "500");
        }
        return settings;
    }

    /** Writes down what it is given, and in which generation where there are generations. */
    private record Owned(KafkaConsumer<?, ?> consumer, BufferedWriter output, boolean isClassic) implements ConsumerRebalanceListener {
        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> added) {
            try {
                output.write("begin" + listed(added) + "\n");
                if (isClassic) {
                    output.write("own " + consumer.groupMetadata().generationId() + listed(consumer.assignment()) + "\n");
                }
                output.flush();
            } catch (java.io.IOException error) {
                throw new java.io.UncheckedIOException(error);
            }
        }

        private static String listed(Collection<TopicPartition> partitions) {
            return partitions.stream().map(it -> " " + it.partition()).sorted().collect(Collectors.joining());
        }

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> taken) {
            // Everything that was read was committed, or it is read again.
        }
    }
}
