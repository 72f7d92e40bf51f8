import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.serialization.*;

/**
 * Groups that go from the classic to the consumer protocol and back, one member after another, while they read (KIP-848).
 * Arguments: bootstrap address, topic prefix.
 */
public final class MigrationSuite {
    private static final String EAGER = "org.apache.kafka.clients.consumer.RangeAssignor";
    private static final String COOPERATIVE = "org.apache.kafka.clients.consumer.CooperativeStickyAssignor";

    public static void main(String[] arguments) throws Exception {
        ConsumerGroupSuite.connect(arguments);
        Report report = new Report("java-migration", 4);
        report.check("roll-eager", () -> roll("eager", EAGER));
        report.check("roll-cooperative", () -> roll("cooperative", COOPERATIVE));
        report.check("roll-static", MigrationSuite::rollStatic);
        report.check("classic-joins-consumers", MigrationSuite::classicJoinsConsumers);
        int code = report.finish();
        System.out.flush();
        Runtime.getRuntime().halt(code);
    }

    /** Writes numbers, one partition after another, until told to stop. */
    private static final class Writer extends Thread {
        private final String topic;
        private final int partitions;
        private volatile boolean stopped;
        private volatile Throwable failure;
        int written;

        Writer(String topic, int partitions) {
            this.topic = topic;
            this.partitions = partitions;
            setDaemon(true);
            start();
        }

        @Override public void run() {
            try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(ConsumerGroupSuite.properties(), new ByteArraySerializer(), new ByteArraySerializer())) {
                for (; !stopped; written++) {
                    producer.send(new ProducerRecord<>(topic, written % partitions, null, ("" + written).getBytes(StandardCharsets.UTF_8)), (metadata, error) -> {
                        if (error != null) failure = error;
                    });
                    Thread.sleep(5);
                }
            } catch (Throwable error) {
                failure = error;
            }
        }

        int finish() throws Exception {
            stopped = true;
            join();
            if (failure != null) throw new AssertionError("the producer failed", failure);
            return written;
        }
    }

    private static String type(String group) throws Exception {
        ConsumerGroupDescription description = ConsumerGroupSuite.described(group);
        long classic = description.members().stream().filter(member -> member.upgraded().isPresent() && !member.upgraded().get()).count();
        return description.type() + (description.type() == GroupType.CONSUMER ? "(" + classic + " classic)" : "");
    }

    private static boolean isStable(String group, int members) {
        try {
            ConsumerGroupDescription description = ConsumerGroupSuite.described(group);
            return description.groupState() == GroupState.STABLE && description.members().size() == members;
        } catch (Exception error) {
            throw new AssertionError(error);
        }
    }

    private static Map<Integer, Long> committed(String group) throws Exception {
        Map<Integer, Long> committed = new TreeMap<>();
        ConsumerGroupSuite.admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get()
                .forEach((partition, offset) -> committed.put(partition.partition(), offset.offset()));
        return committed;
    }

    /**
     * Polls until each has its part and the group is stable. A classic member that is behind would lose what it read since
     * its last commit when the group goes back to the classic protocol, whose generation is that of the newest.
     */
    private static void share(String group, int partitions, List<GroupMember> members) {
        GroupMember.pollUntil(members.size() + " members share " + partitions + " partitions", () -> {
            Set<String> all = new TreeSet<>();
            members.forEach(member -> all.addAll(member.assigned));
            return all.size() == partitions && members.stream().allMatch(member -> member.assigned.size() == partitions / members.size()) && isStable(group, members.size());
        }, members.toArray(GroupMember[]::new));
    }

    /** Three members are replaced one by one, there and back. */
    private static String roll(String name, String assignor) throws Exception {
        int partitions = 6;
        String topic = ConsumerGroupSuite.topic("migrate-" + name, partitions);
        String group = ConsumerGroupSuite.prefix + "migrate-" + name;
        Writer writer = new Writer(topic, partitions);
        Set<String> read = new TreeSet<>();
        StringBuilder answer = new StringBuilder();
        List<GroupMember> members = new ArrayList<>();
        try {
            for (int i = 0; i < 3; i++) members.add(member(group, topic, "classic", assignor));
            share(group, partitions, members);
            answer.append(type(group));
            Map<Integer, Long> before = committed(group);
            for (String protocol : List.of("consumer", "classic")) {
                for (int i = 0; i < 3; i++) {
                    GroupMember old = members.remove(0);
                    old.close();
                    read.addAll(old.values);
                    members.add(member(group, topic, protocol, assignor));
                    share(group, partitions, members);
                    answer.append(' ').append(type(group));
                    Map<Integer, Long> now = committed(group);
                    before.forEach((partition, offset) -> Report.require(offset <= now.getOrDefault(partition, -1L), "the committed offset of " + partition + " went back from " + offset + " to " + now.get(partition)));
                    before = now;
                }
            }
            int written = writer.finish();
            GroupMember.pollUntil("all is read", () -> {
                members.forEach(member -> read.addAll(member.values));
                return read.size() >= written;
            }, members.toArray(GroupMember[]::new));
            Set<String> wanted = IntStream.range(0, written).mapToObj(Integer::toString).collect(Collectors.toCollection(TreeSet::new));
            Report.requireEqual(wanted, read, "records");
            for (GroupMember member : members) member.consumer.commitSync();
            Map<Integer, Long> ends = new TreeMap<>();
            for (int i = 0; i < partitions; i++) ends.put(i, (long) (written + partitions - 1 - i) / partitions);
            Report.requireEqual(ends, committed(group), "committed offsets");
            return answer.append(", all read, all committed").toString();
        } finally {
            writer.stopped = true;
            members.forEach(GroupMember::close);
        }
    }

    private static GroupMember member(String group, String topic, String protocol, String assignor, Object... more) {
        List<Object> settings = new ArrayList<>(List.of("group.protocol", protocol));
        if (protocol.equals("classic")) settings.addAll(List.of("partition.assignment.strategy", assignor, "heartbeat.interval.ms", 500));
        settings.addAll(List.of(more));
        return ConsumerGroupSuite.member(group, List.of(topic), settings.toArray());
    }

    /** Static members are replaced in place: what they have stays with them. */
    private static String rollStatic() throws Exception {
        String topic = ConsumerGroupSuite.topic("migrate-static", 4);
        String group = ConsumerGroupSuite.prefix + "migrate-static";
        for (int i = 0; i < 4; i++) ConsumerGroupSuite.fill(topic, i, i * 10, i * 10 + 10);
        StringBuilder answer = new StringBuilder();
        List<GroupMember> members = new ArrayList<>();
        try {
            for (String instance : List.of("one", "two")) members.add(member(group, topic, "classic", COOPERATIVE, "group.instance.id", instance));
            share(group, 4, members);
            answer.append(type(group));
            for (String protocol : List.of("consumer", "classic")) {
                for (String instance : List.of("one", "two")) {
                    GroupMember old = members.remove(0);
                    Set<String> had = new TreeSet<>(old.assigned);
                    old.close();
                    GroupMember next = member(group, topic, protocol, COOPERATIVE, "group.instance.id", instance);
                    members.add(next);
                    share(group, 4, members);
                    answer.append(' ').append(type(group)).append(next.assigned.equals(had) ? " keeps" : " moves");
                }
            }
            return answer.toString();
        } finally {
            members.forEach(GroupMember::close);
        }
    }

    /** A classic consumer may join a group that was made by the consumer protocol, and is left as a classic group. */
    private static String classicJoinsConsumers() throws Exception {
        String topic = ConsumerGroupSuite.topic("migrate-joins", 4);
        String group = ConsumerGroupSuite.prefix + "migrate-joins";
        StringBuilder answer = new StringBuilder();
        GroupMember first = member(group, topic, "consumer", EAGER);
        try (GroupMember classic = member(group, topic, "classic", EAGER)) {
            share(group, 4, List.of(first, classic));
            answer.append(type(group));
            first.close();
            share(group, 4, List.of(classic));
            answer.append(' ').append(type(group));
            classic.consumer.commitSync();
        }
        try (GroupMember last = member(group, topic, "consumer", EAGER)) {
            share(group, 4, List.of(last));
            answer.append(' ').append(type(group));
        }
        return answer.toString();
    }
}
