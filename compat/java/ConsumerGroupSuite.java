import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.Future;

import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.serialization.*;

/** Kafka's Java consumer with group.protocol=consumer (KIP-848). Arguments: bootstrap address, topic prefix. */
public final class ConsumerGroupSuite {
    static String bootstrap;
    static String prefix;
    static Admin admin;

    public static void main(String[] arguments) throws Exception {
        connect(arguments);
        Report report = new Report("java-consumer", 4);
        report.check("share-and-leave", ConsumerGroupSuite::shareAndLeave);
        report.check("static-member", ConsumerGroupSuite::staticMember);
        report.check("describe", ConsumerGroupSuite::describe);
        report.check("commits", ConsumerGroupSuite::commits);
        report.check("partitions-added", ConsumerGroupSuite::partitionsAdded);
        report.check("topic-created-later", ConsumerGroupSuite::topicCreatedLater);
        report.check("pattern", ConsumerGroupSuite::pattern);
        report.check("assignors", ConsumerGroupSuite::assignors);
        report.check("resubscribe", ConsumerGroupSuite::resubscribe);
        report.check("many-members", ConsumerGroupSuite::manyMembers);
        report.check("empty-group-changes-kind", ConsumerGroupSuite::emptyChangesKind);
        report.check("offsets-by-admin", ConsumerGroupSuite::offsetsByAdmin);
        int code = report.finish();
        System.out.flush();
        Runtime.getRuntime().halt(code);
    }

    // ---- shared steps, also of MigrationSuite ------------------------------------------------------

    static void connect(String[] arguments) {
        bootstrap = arguments[0];
        prefix = arguments[1];
        admin = Admin.create(settings());
    }

    static String topic(String name, int partitions) throws Exception {
        String topic = prefix + name;
        admin.createTopics(List.of(new NewTopic(topic, Optional.of(partitions), Optional.empty()))).all().get();
        Map<TopicPartition, OffsetSpec> ends = new HashMap<>();
        for (int i = 0; i < partitions; i++) ends.put(new TopicPartition(topic, i), OffsetSpec.latest());
        Report.until(topic + " is served", () -> Report.errorOf(() -> admin.listOffsets(ends).all().get()).equals("none"));
        return topic;
    }

    private static Map<String, Object> settings() {
        Map<String, Object> settings = new HashMap<>(Report.PATIENT);
        settings.put("bootstrap.servers", bootstrap);
        return settings;
    }

    static Properties properties(Object... settings) {
        Properties properties = new Properties();
        properties.putAll(settings());
        properties.put("delivery.timeout.ms", "180000");
        for (int i = 0; i < settings.length; i += 2) properties.put(settings[i], String.valueOf(settings[i + 1]));
        return properties;
    }

    static void fill(String topic, int partition, int from, int to) throws Exception {
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(properties(), new ByteArraySerializer(), new ByteArraySerializer())) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int i = from; i < to; i++) sent.add(producer.send(new ProducerRecord<>(topic, partition, null, ("" + i).getBytes(StandardCharsets.UTF_8))));
            producer.flush();
            for (Future<RecordMetadata> one : sent) one.get();
        }
    }

    static GroupMember member(String group, Collection<String> topics, Object... more) {
        Properties properties = properties(more);
        properties.put("group.id", group);
        properties.putIfAbsent("group.protocol", "consumer");
        properties.put("auto.offset.reset", "earliest");
        properties.put("enable.auto.commit", "false");
        return new GroupMember(new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer()), prefix, topics);
    }

    static ConsumerGroupDescription described(String group) throws Exception {
        return admin.describeConsumerGroups(List.of(group)).all().get().get(group);
    }

    private static Optional<GroupListing> listed(String group) throws Exception {
        return admin.listGroups().all().get().stream().filter(one -> one.groupId().equals(group)).findFirst();
    }

    // ---- checks ----------------------------------------------------------------------------------

    private static String shareAndLeave() throws Exception {
        String topic = topic("share", 6);
        return GroupMember.shareAndLeave(() -> member(prefix + "share", List.of(topic)), (partition, from, to) -> fill(topic, partition, from, to));
    }

    private static String staticMember() throws Exception {
        String topic = topic("static", 4);
        String group = prefix + "static";
        StringBuilder answer = new StringBuilder();
        Set<String> had;
        try (GroupMember other = member(group, List.of(topic), "group.instance.id", "other")) {
            try (GroupMember first = member(group, List.of(topic), "group.instance.id", "first")) {
                GroupMember.pollUntil("they share", () -> first.assigned.size() == 2 && other.assigned.size() == 2, first, other);
                had = new TreeSet<>(first.assigned);
                GroupMember thief = member(group, List.of(topic), "group.instance.id", "first");
                String[] error = {"none"};
                Report.until("the second of the same instance is refused", () -> {
                    first.poll();
                    error[0] = Report.errorOf(thief::poll);
                    return !error[0].equals("none");
                });
                answer.append("same-instance=").append(error[0]);
                thief.consumer.close(CloseOptions.timeout(Duration.ofSeconds(2)));
            }
            ConsumerGroupDescription away = described(group);
            answer.append(" members-while-away=").append(away.members().size());
            try (GroupMember back = member(group, List.of(topic), "group.instance.id", "first")) {
                GroupMember.pollUntil("it has back what it had", () -> back.assigned.equals(had), back, other);
                answer.append(" back=").append(back.assigned.size()).append(" other-lost=").append(other.taken.size() > 2 ? "some" : "nothing");
            }
        }
        return answer.toString();
    }

    private static String describe() throws Exception {
        String topic = topic("described", 3);
        String group = prefix + "described";
        StringBuilder answer = new StringBuilder();
        try (GroupMember member = member(group, List.of(topic), "client.id", "my-client", "client.rack", "r1")) {
            GroupMember.pollUntil("the member has all", () -> member.assigned.size() == 3, member);
            Report.until("the group is stable", () -> {
                member.poll();
                try { return described(group).groupState() == GroupState.STABLE; } catch (Exception error) { return false; }
            });
            ConsumerGroupDescription description = described(group);
            MemberDescription one = description.members().iterator().next();
            answer.append(description.groupState()).append(' ').append(description.type()).append(' ').append(description.partitionAssignor())
                    .append(" epochs-agree=").append(description.groupEpoch().equals(description.targetAssignmentEpoch()) && one.memberEpoch().equals(description.groupEpoch()))
                    .append(" client=").append(one.clientId()).append(" host=").append(one.host())
                    .append(" instance=").append(one.groupInstanceId().orElse(null)).append(" rack=").append(one.rackId().orElse(null))
                    .append(" assigned=").append(new TreeSet<>(one.assignment().topicPartitions().stream().map(TopicPartition::partition).toList()))
                    .append(" target=").append(one.targetAssignment().map(it -> it.topicPartitions().size()).orElse(null))
                    .append(" upgraded=").append(one.upgraded().orElse(null))
                    .append(" simple=").append(description.isSimpleConsumerGroup());
            GroupListing listing = listed(group).orElseThrow();
            answer.append(" listed=").append(listing.type().orElse(null)).append('/').append(listing.protocol()).append('/').append(listing.groupState().orElse(null));
            for (GroupType type : List.of(GroupType.CONSUMER, GroupType.CLASSIC)) {
                boolean found = admin.listGroups(new ListGroupsOptions().withTypes(Set.of(type))).all().get().stream().anyMatch(l -> l.groupId().equals(group));
                answer.append(" as-").append(type).append('=').append(found);
            }
            answer.append(" delete=").append(Report.errorOf(() -> admin.deleteConsumerGroups(List.of(group)).all().get()));
            answer.append(" as-classic=").append(Report.errorOf(() -> admin.describeClassicGroups(List.of(group)).all().get()));
        }
        Report.until("the group is empty", () -> {
            try { return described(group).groupState() == GroupState.EMPTY; } catch (Exception error) { return false; }
        });
        answer.append(" after=").append(described(group).members().size());
        answer.append(" delete=").append(Report.errorOf(() -> admin.deleteConsumerGroups(List.of(group)).all().get()));
        answer.append(" gone=").append(listed(group).isEmpty());
        return answer.toString();
    }

    private static String commits() throws Exception {
        String topic = topic("commits", 1);
        String group = prefix + "commits";
        TopicPartition zero = new TopicPartition(topic, 0);
        fill(topic, 0, 0, 10);
        StringBuilder answer = new StringBuilder();
        try (GroupMember member = member(group, List.of(topic))) {
            member.commits = false;
            GroupMember.pollUntil("ten are read", () -> member.values.size() == 10, member);
            member.consumer.commitSync(Map.of(zero, new OffsetAndMetadata(4, Optional.of(0), "note")));
            OffsetAndMetadata committed = member.consumer.committed(Set.of(zero)).get(zero);
            answer.append(committed.offset()).append('/').append(committed.metadata());
            answer.append(" too-large=").append(Report.errorOf(() -> member.consumer.commitSync(Map.of(zero, new OffsetAndMetadata(1, "x".repeat(5000))))));
            answer.append(" by-admin=").append(Report.errorOf(() -> admin.alterConsumerGroupOffsets(group, Map.of(zero, new OffsetAndMetadata(1))).all().get()));
        }
        try (GroupMember member = member(group, List.of(topic))) {
            GroupMember.pollUntil("six are read again", () -> member.values.size() == 6, member);
            answer.append(" resumed-at=").append(member.values.get(0));
        }
        return answer.toString();
    }

    private static String partitionsAdded() throws Exception {
        String topic = topic("grows", 1);
        try (GroupMember member = member(prefix + "grows", List.of(topic), "metadata.max.age.ms", "500")) {
            GroupMember.pollUntil("it has one", () -> member.assigned.size() == 1, member);
            admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(3))).all().get();
            GroupMember.pollUntil("it has three", () -> member.assigned.size() == 3, member);
            return "assigned=" + member.assigned + " taken=" + member.taken;
        }
    }

    private static String topicCreatedLater() throws Exception {
        String present = topic("present", 1);
        String later = prefix + "later";
        try (GroupMember member = member(prefix + "later", List.of(present, later), "allow.auto.create.topics", "false", "metadata.max.age.ms", "500")) {
            member.commits = false; // not in a topic that is no more
            GroupMember.pollUntil("it has one", () -> member.assigned.size() == 1, member);
            topic("later", 2);
            GroupMember.pollUntil("it has three", () -> member.assigned.size() == 3, member);
            admin.deleteTopics(List.of(later)).all().get();
            GroupMember.pollUntil("it has one again", () -> member.assigned.size() == 1, member);
            return "assigned=" + member.assigned;
        }
    }

    /** A regular expression that the broker resolves, also for topics that come later. */
    private static String pattern() throws Exception {
        topic("pattern-a", 2);
        topic("not-pattern", 1);
        StringBuilder answer = new StringBuilder();
        try (GroupMember member = member(prefix + "pattern", List.of(), "metadata.max.age.ms", "500")) {
            member.consumer.subscribe(new SubscriptionPattern(prefix + "pattern-[ab]"), member);
            GroupMember.pollUntil("it has the first topic", () -> member.assigned.size() == 2, member);
            answer.append(member.assigned);
            topic("pattern-b", 1);
            topic("pattern-c", 1);
            GroupMember.pollUntil("it has the second topic, too", () -> member.assigned.size() == 3, member);
            answer.append(member.assigned);
        }
        try (GroupMember member = member(prefix + "no-pattern", List.of())) {
            member.consumer.subscribe(new SubscriptionPattern("("), member);
            answer.append(Report.errorOf(() -> Report.until("the pattern is refused", () -> { member.poll(); return false; })));
        }
        return answer.toString();
    }

    private static String assignors() throws Exception {
        String one = topic("range-1", 3);
        String two = topic("range-2", 3);
        String group = prefix + "range";
        StringBuilder answer = new StringBuilder();
        try (GroupMember first = member(group, List.of(one, two), "group.remote.assignor", "range");
             GroupMember second = member(group, List.of(one, two), "group.remote.assignor", "range")) {
            GroupMember.pollUntil("they share", () -> first.assigned.size() + second.assigned.size() == 6 && Math.abs(first.assigned.size() - second.assigned.size()) == 2, first, second);
            Set<String> more = first.assigned.size() == 4 ? first.assigned : second.assigned;
            answer.append("more=").append(more).append(" assignor=").append(described(group).partitionAssignor());
        }
        try (GroupMember wrong = member(prefix + "wrong", List.of(one), "group.remote.assignor", "nonsense")) {
            String[] error = {"none"};
            Report.until("the assignor is refused", () -> { error[0] = Report.errorOf(wrong::poll); return !error[0].equals("none"); });
            answer.append(" unknown=").append(error[0]);
        }
        return answer.toString();
    }

    private static String resubscribe() throws Exception {
        String one = topic("before", 2);
        String two = topic("after", 2);
        try (GroupMember member = member(prefix + "resubscribe", List.of(one))) {
            GroupMember.pollUntil("it has the first topic", () -> member.assigned.size() == 2, member);
            member.consumer.subscribe(List.of(two), member);
            GroupMember.pollUntil("it has the second topic", () -> member.assigned.equals(Set.of("after-0", "after-1")), member);
            String answer = "taken=" + member.taken;
            member.consumer.unsubscribe();
            Report.until("the group is empty", () -> {
                try { return described(prefix + "resubscribe").members().isEmpty(); } catch (Exception error) { return false; }
            });
            return answer + " after-unsubscribe=" + member.consumer.assignment();
        }
    }

    private static String manyMembers() throws Exception {
        int partitions = 30;
        int count = 10;
        String topic = topic("many", partitions);
        for (int partition = 0; partition < partitions; partition++) fill(topic, partition, partition, partition + 1);
        List<GroupMember> members = new ArrayList<>();
        try {
            for (int i = 0; i < count; i++) members.add(member(prefix + "many", List.of(topic)));
            GroupMember.pollUntil("each has its share", () -> members.stream().allMatch(it -> it.assigned.size() == partitions / count), members.toArray(new GroupMember[0]));
            Set<String> all = new TreeSet<>();
            members.forEach(member -> all.addAll(member.assigned));
            Set<String> values = new TreeSet<>();
            GroupMember.pollUntil("everything was read", () -> { members.forEach(it -> values.addAll(it.values)); return values.size() == partitions; }, members.toArray(new GroupMember[0]));
            return "partitions=" + all.size() + " each=" + partitions / count + " values=" + values.size();
        } finally {
            members.forEach(GroupMember::close);
        }
    }

    private static String emptyChangesKind() throws Exception {
        String topic = topic("kinds", 1);
        String group = prefix + "kinds";
        TopicPartition zero = new TopicPartition(topic, 0);
        fill(topic, 0, 0, 10);
        StringBuilder answer = new StringBuilder();
        for (String protocol : List.of("classic", "consumer", "classic")) {
            try (GroupMember member = member(group, List.of(topic), "group.protocol", protocol)) {
                member.commits = false;
                GroupMember.pollUntil("it has it", () -> member.assigned.size() == 1 && !member.values.isEmpty(), member);
                answer.append(described(group).type()).append(" from ").append(member.values.get(0)).append(' ');
                long next = member.consumer.committed(Set.of(zero)).get(zero) == null ? 3 : 6;
                member.consumer.commitSync(Map.of(zero, new OffsetAndMetadata(next)));
            }
        }
        return answer.toString().trim();
    }

    private static String offsetsByAdmin() throws Exception {
        String topic = topic("admin-offsets", 2);
        String group = prefix + "admin-offsets";
        TopicPartition zero = new TopicPartition(topic, 0);
        fill(topic, 0, 0, 10);
        StringBuilder answer = new StringBuilder();
        try (GroupMember member = member(group, List.of(topic))) {
            GroupMember.pollUntil("it read", () -> member.values.size() == 10, member);
            member.consumer.commitSync();
            answer.append("delete-while-read=").append(Report.errorOf(() -> admin.deleteConsumerGroupOffsets(group, Set.of(zero)).partitionResult(zero).get()));
        }
        Report.until("the group is empty", () -> {
            try { return described(group).members().isEmpty(); } catch (Exception error) { return false; }
        });
        answer.append(" alter=").append(Report.errorOf(() -> admin.alterConsumerGroupOffsets(group, Map.of(zero, new OffsetAndMetadata(7))).all().get()));
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get());
        answer.append(" offset=").append(offsets.get(zero).offset());
        answer.append(" delete=").append(Report.errorOf(() -> admin.deleteConsumerGroupOffsets(group, Set.of(zero)).partitionResult(zero).get()));
        answer.append(" left=").append(new TreeMap<>(Map.of("n", admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().get(zero) == null ? 0 : 1)).get("n"));
        return answer.toString();
    }
}
