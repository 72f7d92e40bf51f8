import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;

import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.TopicPartition;

/** One consumer of a group, polled by hand, that counts what it was given and what was taken. */
final class GroupMember implements ConsumerRebalanceListener, AutoCloseable {
    final KafkaConsumer<byte[], byte[]> consumer;
    final Set<String> assigned = new TreeSet<>();
    final Set<String> taken = new TreeSet<>();
    final List<String> values = new ArrayList<>();
    /** Whether it commits what it read when partitions are taken from it. */
    boolean commits = true;
    private final String prefix;

    /** Subscribes `consumer` to `topics`, unless there are none. Partitions are named without `prefix`. */
    GroupMember(KafkaConsumer<byte[], byte[]> consumer, String prefix, Collection<String> topics) {
        this.consumer = consumer;
        this.prefix = prefix;
        if (!topics.isEmpty()) consumer.subscribe(topics, this);
    }

    void poll() {
        consumer.poll(Duration.ofMillis(50)).forEach(record -> values.add(record.value() == null ? "null" : new String(record.value(), StandardCharsets.UTF_8)));
    }

    private String name(TopicPartition partition) {
        return partition.topic().substring(prefix.length()) + "-" + partition.partition();
    }

    @Override public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
        partitions.forEach(partition -> assigned.add(name(partition)));
    }

    @Override public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
        partitions.forEach(partition -> { assigned.remove(name(partition)); taken.add(name(partition)); });
        if (commits && !partitions.isEmpty()) consumer.commitSync();
    }

    @Override public void onPartitionsLost(Collection<TopicPartition> partitions) {
        partitions.forEach(partition -> assigned.remove(name(partition)));
    }

    @Override public void close() {
        consumer.close();
    }

    /** Polls the members until the condition holds. */
    static void pollUntil(String what, BooleanSupplier condition, GroupMember... members) {
        Report.until(what, () -> {
            for (GroupMember member : members) member.poll();
            return condition.getAsBoolean();
        });
    }

    /** Writes the numbers from `from` to before `to` to a partition. */
    interface Fill {
        void fill(int partition, int from, int to) throws Exception;
    }

    /** A member has all six partitions of a topic; a second one joins, shares them, and leaves. Each reads on where was committed. */
    static String shareAndLeave(Supplier<GroupMember> join, Fill filler) throws Exception {
        for (int partition = 0; partition < 6; partition++) filler.fill(partition, partition * 100, partition * 100 + 10);
        StringBuilder answer = new StringBuilder();
        Set<String> seen = new TreeSet<>();
        try (GroupMember first = join.get()) {
            pollUntil("one member has all", () -> first.assigned.size() == 6 && first.values.size() >= 60, first);
            seen.addAll(first.values);
            answer.append("alone=").append(first.assigned.size());
            try (GroupMember second = join.get()) {
                pollUntil("two members share", () -> first.assigned.size() == 3 && second.assigned.size() == 3, first, second);
                Report.require(Collections.disjoint(first.assigned, second.assigned), "both have the same partition");
                answer.append(" two=").append(first.assigned.size()).append('+').append(second.assigned.size()).append(" taken=").append(first.taken.size());
                for (int partition = 0; partition < 6; partition++) filler.fill(partition, partition * 100 + 10, partition * 100 + 20);
                first.values.clear();
                pollUntil("both read on", () -> first.values.size() + second.values.size() >= 60, first, second);
                Report.requireEqual(30, second.values.size(), "records of the second, that starts at the committed offset");
                seen.addAll(first.values);
                seen.addAll(second.values);
                first.consumer.commitSync();
                second.consumer.commitSync();
            }
            pollUntil("the first has all again", () -> first.assigned.size() == 6, first);
            answer.append(" after-leave=").append(first.assigned.size());
            for (int partition = 0; partition < 6; partition++) filler.fill(partition, partition * 100 + 20, partition * 100 + 21);
            first.values.clear();
            pollUntil("the first reads on", () -> first.values.size() >= 6, first);
            Report.requireEqual(6, first.values.size(), "no record twice after a leave with commits");
            seen.addAll(first.values);
        }
        return answer.append(" seen=").append(seen.size()).toString();
    }
}
