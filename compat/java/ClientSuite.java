import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.stream.Collectors;

import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.*;

/** Kafka's Java producer, consumer and admin client. Arguments: bootstrap address, topic prefix. */
public final class ClientSuite {
    private static String bootstrap;
    private static String prefix;
    private static Admin admin;
    private static final Duration POLL = Duration.ofMillis(200);

    public static void main(String[] arguments) throws Exception {
        bootstrap = arguments[0];
        prefix = arguments[1];
        Map<String, Object> settings = new HashMap<>(Report.PATIENT);
        settings.put("bootstrap.servers", bootstrap);
        admin = Admin.create(settings);
        Report report = new Report("java", 4);

        report.check("group-eager", () -> group("eager", RangeAssignor.class.getName()));
        report.check("group-cooperative", () -> group("coop", CooperativeStickyAssignor.class.getName()));
        report.check("group-static", ClientSuite::staticMembers);
        report.check("group-session-expiry", ClientSuite::sessionExpiry);
        report.check("group-commits", ClientSuite::commits);
        report.check("group-describe", ClientSuite::describeGroup);
        report.check("group-offsets-by-admin", ClientSuite::offsetsByAdmin);
        report.check("group-many-members", ClientSuite::manyMembers);

        report.check("topic-create", ClientSuite::createTopic);
        report.check("topic-create-errors", ClientSuite::createErrors);
        report.check("topic-create-assignments", ClientSuite::createAssignments);
        report.check("topic-describe", ClientSuite::describeTopic);
        report.check("topic-delete", ClientSuite::deleteTopic);
        report.check("topic-auto-create", ClientSuite::autoCreate);
        report.check("topic-partitions", ClientSuite::createPartitions);
        report.check("config-describe-topic", ClientSuite::describeConfigs);
        report.check("config-describe-broker", ClientSuite::describeBrokerConfigs);
        report.check("config-alter", ClientSuite::alterConfigs);
        report.check("config-alter-errors", ClientSuite::alterErrors);
        report.check("records-delete", ClientSuite::deleteRecords);
        report.check("offsets-list", ClientSuite::listOffsets);
        report.check("cluster-describe", ClientSuite::describeCluster);

        for (String acks : List.of("0", "1", "all")) report.check("produce-acks-" + acks, () -> acks(acks));
        report.check("produce-idempotent", ClientSuite::idempotent);
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            report.check("codec-" + codec, () -> codec(codec));
        }
        report.check("codec-of-topic", ClientSuite::codecOfTopic);
        report.check("records-null-and-empty", ClientSuite::nullAndEmpty);
        report.check("records-large", ClientSuite::large);
        report.check("records-timestamps", ClientSuite::timestamps);
        report.check("records-without-key-compacted", ClientSuite::compactedNeedsKey);
        report.check("partitions-by-key", ClientSuite::partitionsByKey);
        report.check("partitions-many", ClientSuite::manyPartitions);
        report.check("partition-unknown", ClientSuite::unknownPartition);
        report.check("topic-unknown", ClientSuite::unknownTopic);
        report.check("topic-internal", ClientSuite::internalTopic);
        report.check("consume-seek", ClientSuite::seek);
        report.check("consume-by-time", ClientSuite::byTime);
        report.check("consume-pause", ClientSuite::pause);
        report.check("consume-out-of-range", ClientSuite::outOfRange);
        report.check("consume-small-fetches", ClientSuite::smallFetches);
        report.check("consume-fetch-session", ClientSuite::fetchSession);
        report.check("consume-recreated-topic", ClientSuite::recreatedTopic);

        int code = report.finish();
        System.out.flush();
        Runtime.getRuntime().halt(code);
    }

    // ---- shared steps ----------------------------------------------------------------------------

    /** A topic that keeps its records, which say that they are years old: a broker looks for such half a minute after its start. */
    private static String topic(String name, int partitions, Map<String, String> configs) throws Exception {
        String topic = prefix + name;
        Map<String, String> all = new HashMap<>(Map.of("retention.ms", "-1"));
        all.putAll(configs);
        admin.createTopics(List.of(new NewTopic(topic, Optional.of(partitions), Optional.empty()).configs(all))).all().get();
        untilServed(topic, partitions);
        return topic;
    }

    /** A topic is created when the controller says so; a broker may learn of it a little later. */
    private static TopicDescription untilKnown(String topic) {
        TopicDescription[] found = {null};
        Report.until("the broker knows " + topic, () -> {
            try { found[0] = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic); } catch (Exception error) { return false; }
            return true;
        });
        return found[0];
    }

    private static void untilServed(String topic, int partitions) {
        untilKnown(topic);
        Map<TopicPartition, OffsetSpec> ends = new HashMap<>();
        for (int i = 0; i < partitions; i++) ends.put(new TopicPartition(topic, i), OffsetSpec.latest());
        Report.until(topic + " is served", () -> Report.errorOf(() -> admin.listOffsets(ends).all().get()).equals("none"));
    }

    private static String topic(String name, int partitions) throws Exception {
        return topic(name, partitions, Map.of());
    }

    private static KafkaProducer<byte[], byte[]> producer(Object... settings) {
        Properties properties = properties(settings);
        properties.putIfAbsent("linger.ms", "5");
        properties.putIfAbsent("request.timeout.ms", "120000");
        properties.putIfAbsent("delivery.timeout.ms", "180000");
        properties.putIfAbsent("max.block.ms", "180000");
        return new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer());
    }

    private static KafkaConsumer<byte[], byte[]> consumer(Object... settings) {
        Properties properties = properties(settings);
        properties.put("group.protocol", "classic");
        Report.PATIENT.forEach(properties::putIfAbsent);
        properties.putIfAbsent("auto.offset.reset", "earliest");
        properties.putIfAbsent("enable.auto.commit", "false");
        return new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    private static Properties properties(Object... settings) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        for (int i = 0; i < settings.length; i += 2) properties.put(settings[i], String.valueOf(settings[i + 1]));
        return properties;
    }

    private static byte[] bytes(String text) {
        return text == null ? null : text.getBytes(StandardCharsets.UTF_8);
    }

    private static String text(byte[] bytes) {
        return bytes == null ? "null" : new String(bytes, StandardCharsets.UTF_8);
    }

    /** Writes "0", "1", … to one partition, each with timestamp 1000 * its number + 1_700_000_000_000. */
    private static void fill(String topic, int partition, int from, int to) throws Exception {
        try (KafkaProducer<byte[], byte[]> producer = producer()) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int i = from; i < to; i++) {
                sent.add(producer.send(new ProducerRecord<>(topic, partition, 1_700_000_000_000L + i * 1000L, bytes("k" + i), bytes("" + i))));
            }
            producer.flush();
            for (Future<RecordMetadata> one : sent) one.get();
        }
    }

    private static List<ConsumerRecord<byte[], byte[]>> read(KafkaConsumer<byte[], byte[]> consumer, int count) {
        List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
        long end = System.currentTimeMillis() + Report.WAIT_MS;
        while (records.size() < count && System.currentTimeMillis() < end) consumer.poll(POLL).forEach(records::add);
        Report.require(records.size() >= count, "got " + records.size() + " records of " + count);
        return records;
    }

    private static List<ConsumerRecord<byte[], byte[]>> readAll(String topic, int count) {
        try (KafkaConsumer<byte[], byte[]> consumer = consumer()) {
            consumer.assign(consumer.partitionsFor(topic).stream().map(info -> new TopicPartition(topic, info.partition())).toList());
            return read(consumer, count);
        }
    }

    // ---- groups ----------------------------------------------------------------------------------

    private static GroupMember member(String group, String topic, String assignor, Object... more) {
        List<Object> settings = new ArrayList<>(List.of("group.id", group, "partition.assignment.strategy", assignor,
                "heartbeat.interval.ms", "300", "session.timeout.ms", "60000", "max.poll.interval.ms", "180000"));
        settings.addAll(Arrays.asList(more));
        return new GroupMember(consumer(settings.toArray()), prefix, List.of(topic));
    }

    private static String group(String name, String assignor) throws Exception {
        String topic = topic("group-" + name, 6);
        return GroupMember.shareAndLeave(() -> member(prefix + name, topic, assignor), (partition, from, to) -> fill(topic, partition, from, to));
    }

    private static String staticMembers() throws Exception {
        String topic = topic("static", 4);
        String group = prefix + "static";
        String assignor = RangeAssignor.class.getName();
        StringBuilder answer = new StringBuilder();
        GroupMember other = member(group, topic, assignor, "group.instance.id", "b");
        GroupMember first = member(group, topic, assignor, "group.instance.id", "a");
        GroupMember.pollUntil("two static members share", () -> first.assigned.size() == 2 && other.assigned.size() == 2, first, other);
        Set<String> before = new TreeSet<>(first.assigned);
        other.taken.clear();
        first.close();
        GroupMember back = member(group, topic, assignor, "group.instance.id", "a");
        GroupMember.pollUntil("the member that came back has partitions", () -> back.assigned.size() == 2, back, other);
        Report.requireEqual(before, back.assigned, "assignment of the member that came back");
        Report.require(other.taken.isEmpty(), "the other member was rebalanced");
        answer.append("came-back=same");
        GroupMember twin = member(group, topic, assignor, "group.instance.id", "a");
        String[] error = {"none"};
        GroupMember.pollUntil("the older twin is fenced", () -> {
            twin.poll();
            if (error[0].equals("none")) error[0] = Report.errorOf(back::poll);
            return !error[0].equals("none");
        }, other);
        answer.append(" older-twin=").append(error[0]);
        Report.requireEqual("FencedInstanceIdException", error[0], "older twin");
        back.consumer.close(CloseOptions.timeout(Duration.ofMillis(100)));
        GroupMember.pollUntil("the twin has the partitions", () -> twin.assigned.size() == 2, twin, other);
        twin.close();
        // A static member does not leave on close; an administrator removes it.
        admin.removeMembersFromConsumerGroup(group, new RemoveMembersFromConsumerGroupOptions(List.of(new MemberToRemove("a")))).all().get();
        GroupMember.pollUntil("the other member has all", () -> other.assigned.size() == 4, other);
        answer.append(" after-removal=").append(other.assigned.size());
        String unknown = Report.errorOf(() -> admin.removeMembersFromConsumerGroup(group,
                new RemoveMembersFromConsumerGroupOptions(List.of(new MemberToRemove("nobody")))).all().get());
        answer.append(" remove-unknown=").append(unknown);
        other.close();
        return answer.toString();
    }

    /** A member that stops polling and sending heartbeats loses its partitions to the others. */
    private static String sessionExpiry() throws Exception {
        String topic = topic("expiry", 2);
        String group = prefix + "expiry";
        Object[] quick = {"session.timeout.ms", "6000", "max.poll.interval.ms", "6000"};
        GroupMember first = member(group, topic, RangeAssignor.class.getName(), quick);
        GroupMember silent = member(group, topic, RangeAssignor.class.getName(), "session.timeout.ms", "6000", "max.poll.interval.ms", "6000",
                "group.instance.id", "silent");
        GroupMember.pollUntil("both share", () -> first.assigned.size() == 1 && silent.assigned.size() == 1, first, silent);
        silent.close(); // a static member does not leave: only its session's end frees its partition
        GroupMember.pollUntil("the silent member's partition is taken over", () -> first.assigned.size() == 2, first);
        first.close();
        return "taken-over=1";
    }

    private static String manyMembers() throws Exception {
        String topic = topic("members", 12);
        String group = prefix + "members";
        GroupMember[] members = new GroupMember[5];
        for (int i = 0; i < members.length; i++) members[i] = member(group, topic, RoundRobinAssignor.class.getName(), "client.id", "m" + i);
        GroupMember.pollUntil("five members share twelve partitions", () -> {
            Set<String> all = new HashSet<>();
            int sum = 0;
            for (GroupMember member : members) {
                if (member.assigned.size() < 2 || member.assigned.size() > 3) return false;
                all.addAll(member.assigned);
                sum += member.assigned.size();
            }
            return sum == 12 && all.size() == 12;
        }, members);
        String sizes = Arrays.stream(members).map(member -> member.assigned.size()).sorted().map(String::valueOf).collect(Collectors.joining(","));
        for (GroupMember member : members) member.close();
        return sizes;
    }

    private static String commits() throws Exception {
        String topic = topic("commits", 2);
        String group = prefix + "commits";
        fill(topic, 0, 0, 20);
        TopicPartition zero = new TopicPartition(topic, 0);
        TopicPartition one = new TopicPartition(topic, 1);
        StringBuilder answer = new StringBuilder();
        try (KafkaConsumer<byte[], byte[]> consumer = consumer("group.id", group)) {
            consumer.assign(List.of(zero, one));
            answer.append("before=").append(consumer.committed(Set.of(zero, one)).get(zero));
            read(consumer, 20);
            consumer.commitSync(Map.of(zero, new OffsetAndMetadata(7, Optional.of(0), "seven")));
            OffsetAndMetadata committed = consumer.committed(Set.of(zero)).get(zero);
            answer.append(" sync=").append(committed.offset()).append('/').append(committed.metadata()).append('/').append(committed.leaderEpoch().orElse(-1));
            CompletableFuture<String> later = new CompletableFuture<>();
            consumer.commitAsync(Map.of(zero, new OffsetAndMetadata(9), one, new OffsetAndMetadata(0, "")),
                    (offsets, error) -> later.complete(error == null ? "ok" : Report.errorName(error)));
            Report.until("the asynchronous commit is answered", () -> { consumer.poll(Duration.ofMillis(20)); return later.isDone(); });
            answer.append(" async=").append(later.get()).append('/').append(consumer.committed(Set.of(zero)).get(zero).offset());
            answer.append(" too-long=").append(Report.errorOf(() -> consumer.commitSync(Map.of(zero, new OffsetAndMetadata(1, "x".repeat(5000))))));
            answer.append(" unknown-partition=").append(Report.errorOf(() -> consumer.commitSync(
                    Map.of(new TopicPartition(topic, 99), new OffsetAndMetadata(1)), Duration.ofSeconds(2))));
        }
        try (KafkaConsumer<byte[], byte[]> consumer = consumer("group.id", group)) {
            consumer.assign(List.of(zero));
            List<ConsumerRecord<byte[], byte[]>> records = read(consumer, 11);
            answer.append(" resumed-at=").append(records.get(0).offset());
        }
        return answer.toString();
    }

    private static String describeGroup() throws Exception {
        String topic = topic("described", 3);
        String group = prefix + "described";
        StringBuilder answer = new StringBuilder();
        try (GroupMember member = member(group, topic, RangeAssignor.class.getName(), "client.id", "my-client")) {
            GroupMember.pollUntil("the member has all", () -> member.assigned.size() == 3, member);
            member.consumer.commitSync(Map.of(new TopicPartition(topic, 0), new OffsetAndMetadata(0)));
            ConsumerGroupDescription description = admin.describeConsumerGroups(List.of(group)).all().get().get(group);
            MemberDescription one = description.members().iterator().next();
            answer.append(description.groupState()).append(' ').append(description.type()).append(' ').append(description.partitionAssignor())
                    .append(" members=").append(description.members().size())
                    .append(" client=").append(one.clientId()).append(" host=").append(one.host())
                    .append(" assigned=").append(new TreeSet<>(one.assignment().topicPartitions().stream().map(TopicPartition::partition).toList()))
                    .append(" simple=").append(description.isSimpleConsumerGroup());
            Report.require(one.consumerId().startsWith("my-client-"), "member id " + one.consumerId());
            GroupListing listing = admin.listGroups().all().get().stream().filter(one2 -> one2.groupId().equals(group)).findFirst().orElseThrow();
            answer.append(" listed=").append(listing.type().orElse(null)).append('/').append(listing.protocol()).append('/').append(listing.groupState().orElse(null));
            boolean inEmpty = admin.listGroups(new ListGroupsOptions().inGroupStates(Set.of(GroupState.EMPTY))).all().get().stream().anyMatch(l -> l.groupId().equals(group));
            answer.append(" listed-as-empty=").append(inEmpty);
        }
        ConsumerGroupDescription description = admin.describeConsumerGroups(List.of(group)).all().get().get(group);
        answer.append(" after=").append(description.groupState()).append('/').append(description.members().size());
        answer.append(" unknown=").append(Report.errorOf(() -> admin.describeConsumerGroups(List.of(prefix + "nobody")).all().get()));
        return answer.toString();
    }

    private static String offsetsByAdmin() throws Exception {
        String topic = topic("admin-offsets", 2);
        String group = prefix + "admin-offsets";
        TopicPartition zero = new TopicPartition(topic, 0);
        TopicPartition one = new TopicPartition(topic, 1);
        fill(topic, 0, 0, 10);
        StringBuilder answer = new StringBuilder();
        admin.alterConsumerGroupOffsets(group, Map.of(zero, new OffsetAndMetadata(4, "by admin"), one, new OffsetAndMetadata(0))).all().get();
        Map<TopicPartition, OffsetAndMetadata> offsets = admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
        answer.append(offsets.get(zero).offset()).append('/').append(offsets.get(zero).metadata()).append(' ').append(offsets.size());
        try (GroupMember member = member(group, topic, RangeAssignor.class.getName())) {
            GroupMember.pollUntil("the member reads from the altered offset", () -> member.values.size() >= 6, member);
            answer.append(" read=").append(member.values);
            answer.append(" alter-active=").append(Report.errorOf(() ->
                    admin.alterConsumerGroupOffsets(group, Map.of(zero, new OffsetAndMetadata(1))).all().get()));
        }
        answer.append(" of-unknown-group=").append(admin.listConsumerGroupOffsets(prefix + "nobody").partitionsToOffsetAndMetadata().get().size());
        return answer.toString();
    }

    // ---- topics and configs ----------------------------------------------------------------------

    private static String createTopic() throws Exception {
        String topic = prefix + "created";
        CreateTopicsResult result = admin.createTopics(List.of(new NewTopic(topic, 3, (short) 1)
                .configs(Map.of("retention.ms", "3600000", "cleanup.policy", "compact,delete"))));
        result.all().get();
        Uuid id = result.topicId(topic).get();
        TopicDescription described = untilKnown(topic);
        Report.requireEqual(id, described.topicId(), "topic id");
        ConfigEntry retention = result.config(topic).get().get("retention.ms");
        return "partitions=" + result.numPartitions(topic).get() + " replicas=" + result.replicationFactor(topic).get()
                + " retention=" + retention.value() + "/" + retention.source()
                + " policy=" + result.config(topic).get().get("cleanup.policy").value()
                + " segment=" + result.config(topic).get().get("segment.bytes").value() + "/" + result.config(topic).get().get("segment.bytes").source()
                + " listed=" + admin.listTopics().names().get().contains(topic);
    }

    private static String createError(NewTopic topic) {
        return Report.errorOf(() -> admin.createTopics(List.of(topic)).all().get());
    }

    private static String createErrors() throws Exception {
        String topic = topic("dup.name", 1);
        Map<String, String> answers = new TreeMap<>();
        answers.put("exists", createError(new NewTopic(topic, 1, (short) 1)));
        answers.put("collides", createError(new NewTopic(topic.replace('.', '_'), 1, (short) 1)));
        answers.put("empty", createError(new NewTopic("", 1, (short) 1)));
        answers.put("dot", createError(new NewTopic(".", 1, (short) 1)));
        answers.put("dots", createError(new NewTopic("..", 1, (short) 1)));
        answers.put("space", createError(new NewTopic("a b", 1, (short) 1)));
        answers.put("slash", createError(new NewTopic("a/b", 1, (short) 1)));
        answers.put("long", createError(new NewTopic("x".repeat(250), 1, (short) 1)));
        answers.put("no-partitions", createError(new NewTopic(prefix + "e1", 0, (short) 1)));
        answers.put("negative-partitions", createError(new NewTopic(prefix + "e2", -5, (short) 1)));
        answers.put("two-replicas", createError(new NewTopic(prefix + "e3", 1, (short) 2)));
        answers.put("no-replicas", createError(new NewTopic(prefix + "e4", 1, (short) 0)));
        answers.put("unknown-config", createError(new NewTopic(prefix + "e5", 1, (short) 1).configs(Map.of("no.such.config", "1"))));
        answers.put("bad-number", createError(new NewTopic(prefix + "e6", 1, (short) 1).configs(Map.of("retention.ms", "soon"))));
        answers.put("bad-policy", createError(new NewTopic(prefix + "e7", 1, (short) 1).configs(Map.of("cleanup.policy", "burn"))));
        answers.put("out-of-range", createError(new NewTopic(prefix + "e8", 1, (short) 1).configs(Map.of("max.message.bytes", "-1"))));
        answers.put("validate-only", Report.errorOf(() -> admin.createTopics(List.of(new NewTopic(prefix + "validated", 1, (short) 1)),
                new CreateTopicsOptions().validateOnly(true)).all().get()));
        answers.put("validate-only-bad", Report.errorOf(() -> admin.createTopics(List.of(new NewTopic(topic, 1, (short) 1)),
                new CreateTopicsOptions().validateOnly(true)).all().get()));
        Set<String> names = admin.listTopics().names().get();
        answers.put("left-behind", names.stream().filter(name -> name.startsWith(prefix + "e") && name.length() == prefix.length() + 2
                || name.equals(prefix + "validated")).toList().toString());
        // One request, one bad topic: the good ones are created.
        CreateTopicsResult both = admin.createTopics(List.of(new NewTopic(prefix + "good", 1, (short) 1), new NewTopic(topic, 1, (short) 1)));
        answers.put("mixed", Report.errorOf(() -> both.values().get(prefix + "good").get()) + "," + Report.errorOf(() -> both.values().get(topic).get()));
        return answers.toString();
    }

    private static String createAssignments() throws Exception {
        int node = admin.describeCluster().nodes().get().iterator().next().id();
        Map<String, String> answers = new TreeMap<>();
        answers.put("good", createError(new NewTopic(prefix + "a1", Map.of(0, List.of(node), 1, List.of(node)))));
        answers.put("gap", createError(new NewTopic(prefix + "a2", Map.of(0, List.of(node), 2, List.of(node)))));
        answers.put("unknown-broker", createError(new NewTopic(prefix + "a3", Map.of(0, List.of(77)))));
        answers.put("twice", createError(new NewTopic(prefix + "a4", Map.of(0, List.of(node, node)))));
        answers.put("none", createError(new NewTopic(prefix + "a5", Map.of(0, List.of()))));
        answers.put("partitions", "" + untilKnown(prefix + "a1").partitions().size());
        return answers.toString();
    }

    private static String describeTopic() throws Exception {
        String topic = topic("to-describe", 4);
        TopicDescription byName = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic);
        TopicDescription byId = admin.describeTopics(TopicCollection.ofTopicIds(List.of(byName.topicId()))).allTopicIds().get().get(byName.topicId());
        Report.requireEqual(byName.name(), byId.name(), "name by id");
        TopicPartitionInfo partition = byName.partitions().get(3);
        Report.require(partition.leader() != null && partition.leader().port() == Integer.parseInt(bootstrap.split(":")[1]), "leader " + partition.leader());
        return "partitions=" + byName.partitions().size() + " replicas=" + partition.replicas().size() + " isr=" + partition.isr().size()
                + " internal=" + byName.isInternal()
                + " elr=" + partition.elr()
                + " unknown=" + Report.errorOf(() -> admin.describeTopics(List.of(prefix + "nobody")).allTopicNames().get())
                + " unknown-id=" + Report.errorOf(() -> admin.describeTopics(TopicCollection.ofTopicIds(List.of(new Uuid(1, 2)))).allTopicIds().get())
                + " bad-name=" + Report.errorOf(() -> admin.describeTopics(List.of("a b")).allTopicNames().get());
    }

    private static String deleteTopic() throws Exception {
        String topic = topic("to-delete", 2);
        Uuid first = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).topicId();
        fill(topic, 0, 0, 5);
        admin.deleteTopics(List.of(topic)).all().get();
        Report.until("the topic is gone", () -> {
            try { return !admin.listTopics().names().get().contains(topic); } catch (Exception error) { throw new RuntimeException(error); }
        });
        StringBuilder answer = new StringBuilder("again=").append(Report.errorOf(() -> admin.deleteTopics(List.of(topic)).all().get()));
        topic("to-delete", 1);
        Uuid second = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).topicId();
        Report.require(!first.equals(second), "the new topic has the old one's id");
        long end = admin.listOffsets(Map.of(new TopicPartition(topic, 0), OffsetSpec.latest())).all().get().get(new TopicPartition(topic, 0)).offset();
        answer.append(" new-end=").append(end);
        admin.deleteTopics(TopicCollection.ofTopicIds(List.of(second))).all().get();
        answer.append(" by-unknown-id=").append(Report.errorOf(() -> admin.deleteTopics(TopicCollection.ofTopicIds(List.of(new Uuid(1, 2)))).all().get()));
        answer.append(" bad-name=").append(Report.errorOf(() -> admin.deleteTopics(List.of("no/such")).all().get()));
        return answer.toString();
    }

    private static String autoCreate() throws Exception {
        String topic = prefix + "auto";
        try (KafkaProducer<byte[], byte[]> producer = producer()) {
            producer.send(new ProducerRecord<>(topic, bytes("a"), bytes("b"))).get();
        }
        return "partitions=" + admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size()
                + " records=" + readAll(topic, 1).size();
    }

    private static String createPartitions() throws Exception {
        String topic = topic("grow", 2);
        fill(topic, 1, 0, 3);
        admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(5))).all().get();
        Report.until("five partitions are known", () -> {
            try { return admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size() == 5; } catch (Exception error) { throw new RuntimeException(error); }
        });
        fill(topic, 4, 3, 6);
        return "records=" + readAll(topic, 6).size()
                + " same=" + Report.errorOf(() -> admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(5))).all().get())
                + " fewer=" + Report.errorOf(() -> admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(1))).all().get())
                + " unknown=" + Report.errorOf(() -> admin.createPartitions(Map.of(prefix + "nobody", NewPartitions.increaseTo(5))).all().get())
                + " bad-assignment=" + Report.errorOf(() -> admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(6, List.of(List.of(77))))).all().get())
                + " validate-only=" + Report.errorOf(() -> admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(9)), new CreatePartitionsOptions().validateOnly(true)).all().get())
                + " after=" + admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size();
    }

    /** Topic configs whose default is Ottla's own choice: durable before the answer. */
    private static final Set<String> OUR_DEFAULTS = Set.of("flush.messages");

    private static String describeConfigs() throws Exception {
        String topic = topic("configs", 1, Map.of("retention.ms", "1000", "min.insync.replicas", "1"));
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        Config config = admin.describeConfigs(List.of(resource), new DescribeConfigsOptions().includeSynonyms(true).includeDocumentation(true)).all().get().get(resource);
        Map<String, String> answers = new TreeMap<>();
        for (ConfigEntry entry : config.entries()) {
            if (OUR_DEFAULTS.contains(entry.name())) continue;
            answers.put(entry.name(), entry.value() + "/" + entry.source() + "/" + entry.type() + "/" + entry.isReadOnly() + "/" + entry.isSensitive());
        }
        Report.requireEqual("1000", config.get("retention.ms").value(), "retention.ms");
        Report.require(config.get("retention.ms").documentation() != null, "documentation of retention.ms");
        String synonyms = config.get("retention.ms").synonyms().stream().map(synonym -> synonym.name() + "=" + synonym.value() + "/" + synonym.source()).toList().toString();
        return answers + " synonyms=" + synonyms
                + " unknown=" + Report.errorOf(() -> admin.describeConfigs(List.of(new ConfigResource(ConfigResource.Type.TOPIC, prefix + "nobody"))).all().get());
    }

    private static String describeBrokerConfigs() throws Exception {
        String node = "" + admin.describeCluster().nodes().get().iterator().next().id();
        ConfigResource resource = new ConfigResource(ConfigResource.Type.BROKER, node);
        Config config = admin.describeConfigs(List.of(resource)).all().get().get(resource);
        Map<String, String> answers = new TreeMap<>();
        for (String name : List.of("message.max.bytes", "num.partitions", "log.retention.hours", "group.min.session.timeout.ms",
                "auto.create.topics.enable", "log.segment.bytes", "offsets.topic.num.partitions", "compression.type")) {
            answers.put(name, config.get(name) == null ? "missing" : config.get(name).value() + "/" + config.get(name).source());
        }
        return answers + " other-broker=" + Report.errorOf(() -> {
            try {
                admin.describeConfigs(List.of(new ConfigResource(ConfigResource.Type.BROKER, "77")), new DescribeConfigsOptions().timeoutMs(1500)).all().get();
            } catch (ExecutionException error) {
                // The client looks for that broker until its time is up.
                throw error;
            }
        });
    }

    private static String alter(ConfigResource resource, boolean validateOnly, AlterConfigOp... operations) {
        return Report.errorOf(() -> admin.incrementalAlterConfigs(Map.of(resource, List.of(operations)), new AlterConfigsOptions().validateOnly(validateOnly)).all().get());
    }

    private static AlterConfigOp op(AlterConfigOp.OpType type, String name, String value) {
        return new AlterConfigOp(new ConfigEntry(name, value), type);
    }

    /** What is set on the topic itself, once `name` has `value` there (brokers apply changes in their own time). */
    private static String dynamicConfigs(ConfigResource resource) throws Exception {
        Map<String, String> set = new TreeMap<>();
        for (ConfigEntry entry : admin.describeConfigs(List.of(resource)).all().get().get(resource).entries()) {
            if (entry.source() == ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG) set.put(entry.name(), entry.value());
        }
        return set.toString();
    }

    private static void untilConfigs(ConfigResource resource, String wanted) {
        Report.until("the configs are " + wanted, () -> {
            try { return dynamicConfigs(resource).equals(wanted); } catch (Exception error) { throw new RuntimeException(error); }
        });
    }

    private static String alterConfigs() throws Exception {
        String topic = topic("to-alter", 1);
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        Report.requireEqual("none", alter(resource, false, op(AlterConfigOp.OpType.SET, "retention.ms", "5000"), op(AlterConfigOp.OpType.SET, "max.message.bytes", "2000")), "set");
        untilConfigs(resource, "{max.message.bytes=2000, retention.ms=5000}");
        Report.requireEqual("none", alter(resource, false, op(AlterConfigOp.OpType.APPEND, "cleanup.policy", "compact")), "append");
        untilConfigs(resource, "{cleanup.policy=delete,compact, max.message.bytes=2000, retention.ms=5000}");
        Report.requireEqual("none", alter(resource, false, op(AlterConfigOp.OpType.SUBTRACT, "cleanup.policy", "delete"), op(AlterConfigOp.OpType.DELETE, "retention.ms", null)), "subtract");
        untilConfigs(resource, "{cleanup.policy=compact, max.message.bytes=2000}");
        Report.requireEqual("none", alter(resource, true, op(AlterConfigOp.OpType.SET, "retention.ms", "9")), "validate only");
        untilConfigs(resource, "{cleanup.policy=compact, max.message.bytes=2000}");
        // The changed limit is in force.
        String tooLarge = Report.errorOf(() -> {
            try (KafkaProducer<byte[], byte[]> producer = producer()) { producer.send(new ProducerRecord<>(topic, bytes("k"), new byte[3000])).get(); }
        });
        return "3000-bytes=" + tooLarge + " " + dynamicConfigs(resource);
    }

    private static String alterErrors() throws Exception {
        String topic = topic("alter-errors", 1);
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        Map<String, String> answers = new TreeMap<>();
        answers.put("unknown-key", alter(resource, false, op(AlterConfigOp.OpType.SET, "no.such.key", "1")));
        answers.put("bad-value", alter(resource, false, op(AlterConfigOp.OpType.SET, "retention.ms", "soon")));
        answers.put("bad-range", alter(resource, false, op(AlterConfigOp.OpType.SET, "min.insync.replicas", "0")));
        answers.put("null-value", alter(resource, false, op(AlterConfigOp.OpType.SET, "retention.ms", null)));
        answers.put("append-to-number", alter(resource, false, op(AlterConfigOp.OpType.APPEND, "retention.ms", "1")));
        answers.put("delete-absent", alter(resource, false, op(AlterConfigOp.OpType.DELETE, "retention.ms", null)));
        answers.put("key-twice", alter(resource, false, op(AlterConfigOp.OpType.SET, "retention.ms", "1"), op(AlterConfigOp.OpType.SET, "retention.ms", "2")));
        answers.put("one-bad-of-two", alter(resource, false, op(AlterConfigOp.OpType.SET, "retention.ms", "1"), op(AlterConfigOp.OpType.SET, "no.such.key", "2")));
        answers.put("unknown-topic", alter(new ConfigResource(ConfigResource.Type.TOPIC, prefix + "nobody"), false, op(AlterConfigOp.OpType.SET, "retention.ms", "1")));
        answers.put("after", dynamicConfigs(resource));
        return answers.toString();
    }

    private static String deleteRecords() throws Exception {
        String topic = topic("records-delete", 1);
        TopicPartition partition = new TopicPartition(topic, 0);
        fill(topic, 0, 0, 10);
        StringBuilder answer = new StringBuilder();
        answer.append("low=").append(admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(4))).lowWatermarks().get(partition).get().lowWatermark());
        answer.append(" first=").append(text(readAll(topic, 6).get(0).value()));
        answer.append(" earliest=").append(offset(partition, OffsetSpec.earliest()));
        answer.append(" beyond=").append(Report.errorOf(() -> admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(11))).all().get()));
        answer.append(" back=").append(admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(2))).lowWatermarks().get(partition).get().lowWatermark());
        answer.append(" all=").append(admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(-1))).lowWatermarks().get(partition).get().lowWatermark());
        answer.append(" earliest=").append(offset(partition, OffsetSpec.earliest())).append(" latest=").append(offset(partition, OffsetSpec.latest()));
        answer.append(" unknown=").append(Report.errorOf(() -> admin.deleteRecords(Map.of(new TopicPartition(topic, 9), RecordsToDelete.beforeOffset(1)),
                new DeleteRecordsOptions().timeoutMs(1500)).all().get()));
        String compacted = topic("records-delete-compacted", 1, Map.of("cleanup.policy", "compact"));
        fill(compacted, 0, 0, 3);
        answer.append(" compacted=").append(Report.errorOf(() -> admin.deleteRecords(Map.of(new TopicPartition(compacted, 0), RecordsToDelete.beforeOffset(1))).all().get()));
        return answer.toString();
    }

    private static long offset(TopicPartition partition, OffsetSpec spec) throws Exception {
        return admin.listOffsets(Map.of(partition, spec)).partitionResult(partition).get().offset();
    }

    private static String listOffsets() throws Exception {
        String topic = topic("offsets", 1);
        TopicPartition partition = new TopicPartition(topic, 0);
        StringBuilder answer = new StringBuilder();
        answer.append("empty: earliest=").append(offset(partition, OffsetSpec.earliest())).append(" latest=").append(offset(partition, OffsetSpec.latest()))
                .append(" max=").append(offset(partition, OffsetSpec.maxTimestamp())).append(" time=").append(offset(partition, OffsetSpec.forTimestamp(0)));
        try (KafkaProducer<byte[], byte[]> producer = producer("linger.ms", 0)) {
            // One batch each; the largest timestamp is in the middle.
            for (long time : new long[] {1000, 2000, 5000, 3000, 4000}) producer.send(new ProducerRecord<>(topic, 0, time, null, bytes("" + time))).get();
        }
        answer.append(" filled: earliest=").append(offset(partition, OffsetSpec.earliest())).append(" latest=").append(offset(partition, OffsetSpec.latest()));
        ListOffsetsResult.ListOffsetsResultInfo max = admin.listOffsets(Map.of(partition, OffsetSpec.maxTimestamp())).partitionResult(partition).get();
        answer.append(" max=").append(max.offset()).append('@').append(max.timestamp());
        for (long time : new long[] {0, 1000, 1500, 2001, 5000, 5001}) {
            ListOffsetsResult.ListOffsetsResultInfo info = admin.listOffsets(Map.of(partition, OffsetSpec.forTimestamp(time))).partitionResult(partition).get();
            answer.append(' ').append(time).append('=').append(info.offset()).append('@').append(info.timestamp());
        }
        answer.append(" local=").append(Report.errorOf(() -> Report.requireEqual(0L, offset(partition, OffsetSpec.earliestLocal()), "earliest local")));
        answer.append(" tiered=").append(offsetOrError(partition, OffsetSpec.latestTiered()));
        answer.append(" pending=").append(offsetOrError(partition, OffsetSpec.earliestPendingUpload()));
        answer.append(" unknown=").append(Report.errorOf(() -> admin.listOffsets(Map.of(new TopicPartition(topic, 8), OffsetSpec.latest()), new ListOffsetsOptions().timeoutMs(1500)).all().get()));
        return answer.toString();
    }

    private static String offsetOrError(TopicPartition partition, OffsetSpec spec) {
        try {
            return "" + offset(partition, spec);
        } catch (Exception error) {
            return Report.errorName(error);
        }
    }

    private static String describeCluster() throws Exception {
        DescribeClusterResult cluster = admin.describeCluster();
        Report.requireEqual(22, cluster.clusterId().get().length(), "length of the cluster id");
        Node node = cluster.nodes().get().iterator().next();
        Report.requireEqual(bootstrap, node.host() + ":" + node.port(), "address of the node");
        FeatureMetadata features = admin.describeFeatures().featureMetadata().get();
        return "nodes=" + cluster.nodes().get().size() + " controller=" + (cluster.controller().get() != null) + " rack=" + node.rack()
                + " metadata.version-finalized=" + features.finalizedFeatures().containsKey("metadata.version");
    }

    // ---- producing -------------------------------------------------------------------------------

    private static String acks(String acks) throws Exception {
        String topic = topic("acks-" + acks, 1);
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (KafkaProducer<byte[], byte[]> producer = producer("acks", acks, "enable.idempotence", "false", "batch.size", "1000")) {
            for (int i = 0; i < 500; i++) sent.add(producer.send(new ProducerRecord<>(topic, bytes("k"), bytes("" + i))));
            producer.flush();
            for (int i = 0; i < 500; i++) {
                long offset = sent.get(i).get().offset();
                Report.requireEqual(acks.equals("0") ? -1L : (long) i, offset, "offset of record " + i);
            }
        }
        List<ConsumerRecord<byte[], byte[]>> records = readAll(topic, 500);
        for (int i = 0; i < 500; i++) Report.requireEqual("" + i, text(records.get(i).value()), "value at " + i);
        return "records=" + records.size();
    }

    private static String idempotent() throws Exception {
        String topic = topic("idempotent", 3);
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (KafkaProducer<byte[], byte[]> producer = producer("enable.idempotence", "true", "batch.size", "500", "max.in.flight.requests.per.connection", "5")) {
            for (int i = 0; i < 3000; i++) sent.add(producer.send(new ProducerRecord<>(topic, i % 3, null, bytes("" + i))));
            producer.flush();
            for (int i = 0; i < 3000; i++) Report.requireEqual(i / 3L, sent.get(i).get().offset(), "offset of record " + i);
        }
        Map<Integer, Integer> next = new HashMap<>();
        for (ConsumerRecord<byte[], byte[]> record : readAll(topic, 3000)) {
            int expected = next.merge(record.partition(), 3, (old, step) -> old + step) - 3 + record.partition();
            Report.requireEqual("" + expected, text(record.value()), "value in partition " + record.partition());
        }
        return "in order, once";
    }

    private static String codec(String codec) throws Exception {
        String topic = topic("codec-" + codec, 2);
        try (KafkaProducer<byte[], byte[]> producer = producer("compression.type", codec, "batch.size", "20000", "linger.ms", "50")) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int i = 0; i < 400; i++) {
                List<Header> headers = List.of(new RecordHeader("n", bytes("" + i)), new RecordHeader("n", bytes("again")), new RecordHeader("nothing", null));
                sent.add(producer.send(new ProducerRecord<>(topic, i % 2, 1_700_000_000_000L + i, bytes("key " + i), bytes("value " + i + " " + "abc ".repeat(i % 50)), headers)));
            }
            producer.flush();
            for (Future<RecordMetadata> one : sent) one.get();
        }
        long sum = 0;
        int[] next = {0, 1};
        for (ConsumerRecord<byte[], byte[]> record : readAll(topic, 400)) {
            int i = next[record.partition()];
            next[record.partition()] += 2;
            Report.requireEqual("key " + i, text(record.key()), "key");
            Report.requireEqual("value " + i + " " + "abc ".repeat(i % 50), text(record.value()), "value");
            Report.requireEqual(1_700_000_000_000L + i, record.timestamp(), "timestamp");
            String headers = Arrays.stream(record.headers().toArray()).map(header -> header.key() + "=" + text(header.value())).toList().toString();
            Report.requireEqual("[n=" + i + ", n=again, nothing=null]", headers, "headers");
            sum += record.serializedValueSize();
        }
        return "records=400 bytes=" + sum;
    }

    private static String codecOfTopic() throws Exception {
        StringBuilder answer = new StringBuilder();
        for (String codec : List.of("uncompressed", "gzip", "snappy", "lz4", "zstd")) {
            String topic = topic("codec-of-topic-" + codec, 1, Map.of("compression.type", codec));
            try (KafkaProducer<byte[], byte[]> producer = producer("compression.type", codec.equals("gzip") ? "lz4" : "gzip", "linger.ms", "50")) {
                Future<RecordMetadata> last = null;
                for (int i = 0; i < 50; i++) last = producer.send(new ProducerRecord<>(topic, bytes("k"), bytes("value " + i)));
                producer.flush();
                Report.requireEqual(49L, last.get().offset(), "last offset");
            }
            List<ConsumerRecord<byte[], byte[]>> records = readAll(topic, 50);
            Report.requireEqual("value 49", text(records.get(49).value()), "last value");
            answer.append(codec).append('=').append(records.size()).append(' ');
        }
        return answer.toString().trim();
    }

    private static String nullAndEmpty() throws Exception {
        String topic = topic("nulls", 1);
        String[][] pairs = {{null, "v"}, {"k", null}, {null, null}, {"", ""}, {"k", ""}, {"", null}};
        try (KafkaProducer<byte[], byte[]> producer = producer()) {
            for (String[] pair : pairs) producer.send(new ProducerRecord<>(topic, bytes(pair[0]), bytes(pair[1]))).get();
        }
        StringBuilder answer = new StringBuilder();
        for (ConsumerRecord<byte[], byte[]> record : readAll(topic, pairs.length)) {
            answer.append(record.offset()).append(':').append(record.serializedKeySize()).append('/').append(record.serializedValueSize()).append(' ');
        }
        return answer.toString().trim();
    }

    private static String large() throws Exception {
        String topic = topic("large", 1);
        String wide = topic("large-wide", 1, Map.of("max.message.bytes", "4000000"));
        StringBuilder answer = new StringBuilder();
        try (KafkaProducer<byte[], byte[]> producer = producer("max.request.size", "10000000", "buffer.memory", "60000000", "compression.type", "none")) {
            // 1048588 is the default limit of the batch; its overhead here is 61 + 12 bytes at most.
            for (int size : new int[] {900_000, 1_048_500, 1_048_588, 2_000_000}) {
                answer.append(size).append('=').append(Report.errorOf(() -> producer.send(new ProducerRecord<>(topic, null, new byte[size])).get())).append(' ');
            }
            for (int size : new int[] {3_900_000, 4_000_000}) {
                answer.append("wide-").append(size).append('=').append(Report.errorOf(() -> producer.send(new ProducerRecord<>(wide, null, new byte[size])).get())).append(' ');
            }
            // The producer goes on after the refusals.
            answer.append("then=").append(producer.send(new ProducerRecord<>(topic, null, bytes("small"))).get().offset());
        }
        List<Integer> sizes = readAll(topic, 3).stream().map(ConsumerRecord::serializedValueSize).toList();
        return answer.append(" read=").append(sizes).append(" wide-read=").append(readAll(wide, 1).get(0).serializedValueSize()).toString();
    }

    private static String timestamps() throws Exception {
        String append = topic("append-time", 1, Map.of("message.timestamp.type", "LogAppendTime"));
        String create = topic("create-time", 1, Map.of("message.timestamp.before.max.ms", "86400000"));
        StringBuilder answer = new StringBuilder();
        long now = System.currentTimeMillis();
        try (KafkaProducer<byte[], byte[]> producer = producer()) {
            RecordMetadata metadata = producer.send(new ProducerRecord<>(append, 0, 1000L, null, bytes("x"))).get();
            Report.require(Math.abs(metadata.timestamp() - now) < 600_000, "append time in the answer " + metadata.timestamp());
            ConsumerRecord<byte[], byte[]> record = readAll(append, 1).get(0);
            Report.requireEqual(metadata.timestamp(), record.timestamp(), "append time read");
            answer.append(record.timestampType());
            answer.append(" old=").append(Report.errorOf(() -> producer.send(new ProducerRecord<>(create, 0, now - 90_000_000, null, bytes("x"))).get()));
            answer.append(" future=").append(Report.errorOf(() -> producer.send(new ProducerRecord<>(create, 0, now + 90_000_000, null, bytes("x"))).get()));
            answer.append(" now=").append(Report.errorOf(() -> producer.send(new ProducerRecord<>(create, 0, now, null, bytes("x"))).get()));
            answer.append(' ').append(readAll(create, 1).get(0).timestampType());
        }
        return answer.toString();
    }

    private static String compactedNeedsKey() throws Exception {
        String topic = topic("compacted", 1, Map.of("cleanup.policy", "compact"));
        try (KafkaProducer<byte[], byte[]> producer = producer()) {
            return "without=" + Report.errorOf(() -> producer.send(new ProducerRecord<>(topic, null, bytes("x"))).get())
                    + " with=" + Report.errorOf(() -> producer.send(new ProducerRecord<>(topic, bytes("k"), bytes("x"))).get());
        }
    }

    private static String partitionsByKey() throws Exception {
        String topic = topic("by-key", 7);
        Map<Integer, Integer> counts = new TreeMap<>();
        try (KafkaProducer<byte[], byte[]> producer = producer()) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int i = 0; i < 200; i++) sent.add(producer.send(new ProducerRecord<>(topic, bytes("key-" + i), bytes("x"))));
            producer.flush();
            for (Future<RecordMetadata> one : sent) counts.merge(one.get().partition(), 1, Integer::sum);
        }
        return counts.toString();
    }

    private static String manyPartitions() throws Exception {
        String topic = topic("many", 100);
        try (KafkaProducer<byte[], byte[]> producer = producer()) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int i = 0; i < 2000; i++) sent.add(producer.send(new ProducerRecord<>(topic, i % 100, null, bytes("" + i))));
            producer.flush();
            for (Future<RecordMetadata> one : sent) one.get();
        }
        Set<String> values = new HashSet<>();
        try (GroupMember member = member(prefix + "many", topic, RangeAssignor.class.getName())) {
            GroupMember.pollUntil("everything is read", () -> member.values.size() >= 2000, member);
            values.addAll(member.values);
            member.consumer.commitSync();
            Map<TopicPartition, OffsetAndMetadata> offsets = admin.listConsumerGroupOffsets(prefix + "many").partitionsToOffsetAndMetadata().get();
            Report.require(offsets.size() == 100 && offsets.values().stream().allMatch(offset -> offset.offset() == 20), "committed " + offsets);
        }
        return "distinct=" + values.size();
    }

    private static String unknownPartition() throws Exception {
        String topic = topic("few", 1);
        try (KafkaProducer<byte[], byte[]> producer = producer("max.block.ms", "1500"); KafkaConsumer<byte[], byte[]> consumer = consumer("default.api.timeout.ms", "2000")) {
            String send = Report.errorOf(() -> producer.send(new ProducerRecord<>(topic, 9, null, bytes("x"))).get());
            consumer.assign(List.of(new TopicPartition(topic, 9)));
            String position = Report.errorOf(() -> consumer.position(new TopicPartition(topic, 9)));
            return "send=" + send + " position=" + position;
        }
    }

    private static String unknownTopic() throws Exception {
        try (KafkaProducer<byte[], byte[]> producer = producer();
             KafkaConsumer<byte[], byte[]> consumer = consumer("allow.auto.create.topics", "false")) {
            return "bad-name=" + Report.errorOf(() -> producer.send(new ProducerRecord<>("bad name", bytes("x"), bytes("x"))).get())
                    + " partitions-for=" + consumer.partitionsFor(prefix + "nobody").size()
                    + " listed=" + admin.listTopics().names().get().contains(prefix + "nobody")
                    + " subscribe-bad-name=" + Report.errorOf(() -> {
                        try (KafkaConsumer<byte[], byte[]> other = consumer("group.id", prefix + "bad")) {
                            other.subscribe(List.of("bad name"));
                            Report.until("the name is refused", () -> { other.poll(POLL); return false; });
                        }
                    });
        }
    }

    private static String internalTopic() throws Exception {
        try (KafkaConsumer<byte[], byte[]> consumer = consumer("group.id", prefix + "internal")) {
            consumer.assign(List.of(new TopicPartition(topic("internal", 1), 0)));
            consumer.poll(POLL);
            consumer.commitSync();
        }
        Set<String> plain = admin.listTopics().names().get();
        Set<String> all = admin.listTopics(new ListTopicsOptions().listInternal(true)).names().get();
        String send = Report.errorOf(() -> {
            try (KafkaProducer<byte[], byte[]> producer = producer()) { producer.send(new ProducerRecord<>("__consumer_offsets", bytes("x"), bytes("x"))).get(); }
        });
        TopicDescription offsets = admin.describeTopics(List.of("__consumer_offsets")).allTopicNames().get().get("__consumer_offsets");
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, "__consumer_offsets");
        return "plain=" + plain.contains("__consumer_offsets") + " internal=" + all.contains("__consumer_offsets") + " send=" + send
                + " partitions=" + offsets.partitions().size() + " is-internal=" + offsets.isInternal() + " configs=" + dynamicConfigs(resource);
    }

    // ---- consuming -------------------------------------------------------------------------------

    private static String seek() throws Exception {
        String topic = topic("seek", 1);
        TopicPartition partition = new TopicPartition(topic, 0);
        fill(topic, 0, 0, 100);
        StringBuilder answer = new StringBuilder();
        try (KafkaConsumer<byte[], byte[]> consumer = consumer("max.poll.records", "10")) {
            consumer.assign(List.of(partition));
            answer.append("start=").append(text(read(consumer, 1).get(0).value()));
            consumer.seek(partition, 42);
            answer.append(" to-42=").append(text(read(consumer, 1).get(0).value()));
            consumer.seekToBeginning(List.of(partition));
            answer.append(" beginning=").append(text(read(consumer, 1).get(0).value()));
            consumer.seekToEnd(List.of(partition));
            answer.append(" end=").append(consumer.position(partition));
            fill(topic, 0, 100, 101);
            answer.append(" after-end=").append(text(read(consumer, 1).get(0).value()));
            consumer.seek(partition, new OffsetAndMetadata(7, Optional.of(0), ""));
            answer.append(" with-epoch=").append(text(read(consumer, 1).get(0).value()));
            answer.append(" beginning-offset=").append(consumer.beginningOffsets(List.of(partition)).get(partition));
            answer.append(" end-offset=").append(consumer.endOffsets(List.of(partition)).get(partition));
            answer.append(" lag=").append(consumer.currentLag(partition).isPresent());
        }
        return answer.toString();
    }

    private static String byTime() throws Exception {
        String topic = topic("by-time", 2);
        fill(topic, 0, 0, 50);
        TopicPartition zero = new TopicPartition(topic, 0);
        TopicPartition one = new TopicPartition(topic, 1);
        StringBuilder answer = new StringBuilder();
        try (KafkaConsumer<byte[], byte[]> consumer = consumer("isolation.level", "read_committed")) {
            consumer.assign(List.of(zero, one));
            for (long time : new long[] {0, 1_700_000_010_000L, 1_700_000_010_001L, 1_700_000_049_000L, 1_700_000_049_001L}) {
                Map<TopicPartition, OffsetAndTimestamp> found = consumer.offsetsForTimes(Map.of(zero, time, one, time));
                OffsetAndTimestamp first = found.get(zero);
                answer.append(first == null ? "none" : first.offset() + "@" + first.timestamp()).append(' ');
                Report.require(found.get(one) == null, "an empty partition has an offset for a time");
            }
            consumer.seek(zero, consumer.offsetsForTimes(Map.of(zero, 1_700_000_033_500L)).get(zero).offset());
            answer.append("read=").append(text(read(consumer, 1).get(0).value()));
        }
        try (KafkaProducer<byte[], byte[]> producer = producer()) {
            producer.send(new ProducerRecord<>(topic, 0, null, bytes("now"))).get();
        }
        try (KafkaConsumer<byte[], byte[]> consumer = consumer("auto.offset.reset", "by_duration:PT1H")) {
            consumer.assign(List.of(zero));
            answer.append(" last-hour=").append(consumer.position(zero));
        }
        return answer.toString();
    }

    private static String pause() throws Exception {
        String topic = topic("pause", 2);
        TopicPartition zero = new TopicPartition(topic, 0);
        TopicPartition one = new TopicPartition(topic, 1);
        fill(topic, 0, 0, 10);
        fill(topic, 1, 0, 10);
        try (KafkaConsumer<byte[], byte[]> consumer = consumer()) {
            consumer.assign(List.of(zero, one));
            consumer.pause(List.of(zero));
            Set<Integer> while_paused = read(consumer, 10).stream().map(ConsumerRecord::partition).collect(Collectors.toSet());
            for (int i = 0; i < 5; i++) Report.require(consumer.poll(Duration.ofMillis(50)).isEmpty(), "a paused partition was read");
            consumer.resume(List.of(zero));
            Set<Integer> after = read(consumer, 10).stream().map(ConsumerRecord::partition).collect(Collectors.toSet());
            return "paused=" + while_paused + " resumed=" + after;
        }
    }

    private static String outOfRange() throws Exception {
        String topic = topic("range", 1);
        TopicPartition partition = new TopicPartition(topic, 0);
        fill(topic, 0, 0, 10);
        admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(3))).all().get();
        StringBuilder answer = new StringBuilder();
        try (KafkaConsumer<byte[], byte[]> consumer = consumer("auto.offset.reset", "earliest")) {
            consumer.assign(List.of(partition));
            consumer.seek(partition, 1);
            answer.append("below=").append(read(consumer, 1).get(0).offset());
            consumer.seek(partition, 1000);
            answer.append(" above=").append(read(consumer, 1).get(0).offset());
        }
        try (KafkaConsumer<byte[], byte[]> consumer = consumer("auto.offset.reset", "latest")) {
            consumer.assign(List.of(partition));
            consumer.seek(partition, 1);
            Report.until("the position is reset to the end", () -> { consumer.poll(POLL); return consumer.position(partition) == 10; });
            answer.append(" latest=").append(consumer.position(partition));
        }
        try (KafkaConsumer<byte[], byte[]> consumer = consumer("auto.offset.reset", "none")) {
            consumer.assign(List.of(partition));
            consumer.seek(partition, 1000);
            answer.append(" none=").append(Report.errorOf(() -> Report.until("the offset is refused", () -> { consumer.poll(POLL); return false; })));
            consumer.seek(partition, 10);
            answer.append(" at-end=").append(consumer.poll(Duration.ofMillis(300)).count());
        }
        return answer.toString();
    }

    private static String smallFetches() throws Exception {
        String topic = topic("small", 3);
        try (KafkaProducer<byte[], byte[]> producer = producer("batch.size", "30000", "linger.ms", "20")) {
            for (int i = 0; i < 300; i++) producer.send(new ProducerRecord<>(topic, i % 3, null, new byte[1000]));
            producer.flush();
        }
        // Every batch is larger than what may be fetched: it must come all the same.
        try (KafkaConsumer<byte[], byte[]> consumer = consumer("fetch.max.bytes", "500", "max.partition.fetch.bytes", "500", "fetch.min.bytes", "1")) {
            consumer.assign(List.of(new TopicPartition(topic, 0), new TopicPartition(topic, 1), new TopicPartition(topic, 2)));
            return "records=" + read(consumer, 300).size();
        }
    }

    private static String fetchSession() throws Exception {
        String topic = topic("session", 20);
        List<TopicPartition> partitions = new ArrayList<>();
        for (int i = 0; i < 20; i++) partitions.add(new TopicPartition(topic, i));
        int count = 0;
        try (KafkaConsumer<byte[], byte[]> consumer = consumer("fetch.max.wait.ms", "100"); KafkaProducer<byte[], byte[]> producer = producer("linger.ms", 0)) {
            consumer.assign(partitions.subList(0, 10));
            consumer.poll(POLL);
            for (int i = 0; i < 10; i++) {
                producer.send(new ProducerRecord<>(topic, i, null, bytes("a" + i))).get();
                Report.requireEqual("a" + i, text(read(consumer, 1).get(0).value()), "record written while the session is idle");
                count++;
            }
            for (TopicPartition partition : partitions.subList(0, 10)) consumer.seek(partition, 0); // back, within the session
            count += read(consumer, 10).size();
            consumer.assign(partitions.subList(5, 15)); // some forgotten, some added
            for (TopicPartition partition : partitions.subList(5, 15)) consumer.seek(partition, 0);
            for (int i = 5; i < 15; i++) producer.send(new ProducerRecord<>(topic, i, null, bytes("b" + i))).get();
            count += read(consumer, 15).size();
            consumer.assign(partitions); // the forgotten ones come back
            consumer.seekToBeginning(partitions);
            count += read(consumer, 20).size();
            Report.require(consumer.poll(Duration.ofMillis(300)).isEmpty(), "records twice");
            for (int round = 0; round < 30; round++) {
                TopicPartition partition = partitions.get(round * 7 % 20);
                producer.send(new ProducerRecord<>(topic, partition.partition(), null, bytes("c" + round))).get();
                if (round % 3 == 0) {
                    consumer.seek(partition, 0);
                    long end = consumer.endOffsets(List.of(partition)).get(partition);
                    count += read(consumer, (int) end).size();
                } else {
                    count += read(consumer, 1).size();
                }
            }
        }
        return "read=" + count;
    }

    private static String recreatedTopic() throws Exception {
        String topic = topic("recreated", 1);
        TopicPartition partition = new TopicPartition(topic, 0);
        fill(topic, 0, 0, 5);
        try (KafkaConsumer<byte[], byte[]> consumer = consumer("metadata.max.age.ms", "500", "allow.auto.create.topics", "false")) {
            consumer.assign(List.of(partition));
            read(consumer, 5);
            admin.deleteTopics(List.of(topic)).all().get();
            Report.until("the topic is gone", () -> {
                try { return !admin.listTopics().names().get().contains(topic); } catch (Exception error) { throw new RuntimeException(error); }
            });
            topic("recreated", 1);
            fill(topic, 0, 50, 60);
            consumer.poll(POLL);
            consumer.seekToBeginning(List.of(partition));
            List<ConsumerRecord<byte[], byte[]>> records = read(consumer, 10);
            return "first=" + text(records.get(0).value()) + "@" + records.get(0).offset() + " count=" + records.size();
        }
    }
}
