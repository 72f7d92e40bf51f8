import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.stream.Collectors;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.utils.Exit;

/**
 * Kafka's console tools, each called as its script does, in one JVM. Arguments: bootstrap address,
 * topic prefix. What a tool prints is compared after ids, addresses and measured times are taken out.
 */
public final class ToolSuite {
    private static String bootstrap;
    private static String prefix;

    /** Thrown where a tool would end the process; some catch and print even this. */
    private static final class Ended extends RuntimeException {
        Ended() {
            super("THE-END");
        }
    }

    /** With which code the running tool ended first, if it did. */
    private static volatile Integer exitCode;

    /** How long a tool waits for records: against hangs, none waits in vain. */
    private static final String PATIENCE_MS = "" + Report.WAIT_MS;

    /** What the running tool wants done at its process's end. */
    private static final List<Runnable> atEnd = new ArrayList<>();

    private interface Main {
        void run(String[] arguments) throws Exception;
    }

    public static void main(String[] arguments) throws Exception {
        bootstrap = arguments[0];
        prefix = arguments[1];
        Report report = new Report("java-tools", 1);
        Exit.Procedure procedure = (code, message) -> {
            if (exitCode == null) exitCode = code;
            throw new Ended();
        };
        Exit.setExitProcedure(procedure);
        Exit.setHaltProcedure(procedure);
        Exit.setShutdownHookAdder((name, hook) -> atEnd.add(hook));

        report.check("kafka-broker-api-versions", ToolSuite::apiVersions);
        report.check("kafka-topics", ToolSuite::topics);
        report.check("kafka-console", ToolSuite::console);
        report.check("kafka-configs", ToolSuite::configs);
        report.check("kafka-configs-brokers", ToolSuite::brokerConfigs);
        report.check("kafka-configs-groups", ToolSuite::groupConfigs);
        report.check("kafka-get-offsets", ToolSuite::getOffsets);
        report.check("kafka-delete-records", ToolSuite::deleteRecords);
        report.check("kafka-reassign-partitions", ToolSuite::reassignPartitions);
        report.check("kafka-consumer-groups", ToolSuite::groups);
        report.check("kafka-consumer-groups-offsets", ToolSuite::groupOffsets);
        report.check("kafka-groups", ToolSuite::listGroups);
        report.check("kafka-cluster", ToolSuite::cluster);
        report.check("kafka-metadata-quorum", ToolSuite::metadataQuorum);
        report.check("kafka-features", ToolSuite::features);
        report.check("kafka-leader-election", ToolSuite::leaderElection);
        report.check("kafka-perf-test", ToolSuite::performance);

        int code = report.finish();
        System.out.flush();
        Runtime.getRuntime().halt(code);
    }

    /** Runs a tool; returns what it printed to stdout and stderr, then how it ended when not with 0. */
    private static String tool(String input, Main main, String... arguments) throws Exception {
        PrintStream out = System.out;
        PrintStream err = System.err;
        InputStream in = System.in;
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        PrintStream both = new PrintStream(bytes, true, StandardCharsets.UTF_8);
        exitCode = null;
        atEnd.clear();
        try {
            System.setOut(both);
            System.setErr(both);
            System.setIn(new ByteArrayInputStream(input.getBytes(StandardCharsets.UTF_8)));
            main.run(arguments);
        } catch (Ended ended) {
            // As if the process had ended here.
        } finally {
            List.copyOf(atEnd).forEach(Runnable::run);
            System.setOut(out);
            System.setErr(err);
            System.setIn(in);
        }
        String end = exitCode == null || exitCode == 0 ? "" : "[exit " + exitCode + "]";
        return clean(bytes.toString(StandardCharsets.UTF_8)) + end;
    }

    private static String[] with(String... arguments) {
        List<String> all = new ArrayList<>(List.of("--bootstrap-server", bootstrap));
        all.addAll(Arrays.asList(arguments));
        return all.toArray(new String[0]);
    }

    private static String clean(String text) {
        return text.replaceAll("(?m)^.*(THE-END|KIP-848|Due to limitations in metric names).*\\n", "").replace(bootstrap, "ADDRESS").replace(prefix, "")
                .replaceAll("TopicId: [A-Za-z0-9_-]{22}", "TopicId: ID")
                .replaceAll("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID")
                .replaceAll("(?m)^\\s*at .*\\n", "").replaceAll("\\[[0-9-]+ [0-9:,]+\\] ", "")
                .replaceAll("[ \t]+", " ").replaceAll("\\n+", "\n").strip();
    }

    private static String sorted(String text) {
        return String.join("\n", new TreeSet<>(Arrays.asList(text.split("\n"))));
    }

    private static String topicsTool(String... arguments) throws Exception {
        return tool("", org.apache.kafka.tools.TopicCommand::main, with(arguments));
    }

    /** As the topics tool, retried while the broker has not heard of the topic yet. */
    private static void createTopic(String... arguments) throws Exception {
        String printed = topicsTool(arguments);
        Report.require(printed.contains("Created topic"), printed);
        String topic = arguments[Arrays.asList(arguments).indexOf("--topic") + 1];
        Report.await("the broker has heard of " + topic, () -> !topicsTool("--describe", "--topic", topic).contains("Error"));
    }

    private static String apiVersions() throws Exception {
        String printed = tool("", org.apache.kafka.tools.BrokerApiVersionsCommand::main, with());
        // The lines "Produce(0): 0 to 13 [usable: 13]," of the APIs that issue a client's daily work.
        String wanted = "Produce|Fetch|ListOffsets|Metadata|OffsetCommit|OffsetFetch|FindCoordinator|JoinGroup|Heartbeat|LeaveGroup|SyncGroup|"
                + "DescribeGroups|ListGroups|ApiVersions|CreateTopics|DeleteTopics|DeleteRecords|InitProducerId|OffsetForLeaderEpoch|"
                + "DescribeConfigs|CreatePartitions|IncrementalAlterConfigs|DescribeCluster|DescribeTopicPartitions";
        return Arrays.stream(printed.split("\n")).map(String::strip).filter(line -> line.matches("(" + wanted + ")\\(\\d+\\):.*"))
                .map(line -> line.replaceAll(",$", "")).sorted().collect(Collectors.joining("\n"));
    }

    private static String topics() throws Exception {
        String topic = prefix + "tool-topic";
        StringBuilder answer = new StringBuilder();
        createTopic("--create", "--topic", topic, "--partitions", "3", "--replication-factor", "1", "--config", "retention.ms=12345");
        answer.append(topicsTool("--describe", "--topic", topic)).append('\n');
        answer.append("again: ").append(topicsTool("--create", "--topic", topic).contains("already exists")).append('\n');
        answer.append("if-not-exists: ").append(topicsTool("--create", "--if-not-exists", "--topic", topic)).append('\n');
        answer.append("alter: ").append(topicsTool("--alter", "--topic", topic, "--partitions", "5")).append('\n');
        Report.await("five partitions are known", () -> topicsTool("--describe", "--topic", topic).contains("Partition: 4"));
        answer.append("listed: ").append(Arrays.asList(topicsTool("--list").split("\n")).contains("tool-topic")).append('\n');
        answer.append("overrides: ").append(topicsTool("--describe", "--topics-with-overrides", "--topic", topic)).append('\n');
        answer.append("under-replicated: ").append(topicsTool("--describe", "--under-replicated-partitions", "--topic", topic)).append('\n');
        answer.append("unavailable: ").append(topicsTool("--describe", "--unavailable-partitions", "--topic", topic)).append('\n');
        answer.append("delete: ").append(topicsTool("--delete", "--topic", topic)).append('\n');
        Report.await("the topic is gone", () -> !Arrays.asList(topicsTool("--list").split("\n")).contains("tool-topic"));
        answer.append("gone: ").append(topicsTool("--describe", "--topic", topic));
        return answer.toString();
    }

    private static String consume(String... arguments) throws Exception {
        return tool("", org.apache.kafka.tools.consumer.ConsoleConsumer::main, with(arguments));
    }

    private static String console() throws Exception {
        String topic = prefix + "tool-console";
        createTopic("--create", "--topic", topic, "--partitions", "1");
        StringBuilder answer = new StringBuilder();
        answer.append(tool("h1:v1,h2:v2\tk1\tvalue one\nh1:v1\tk2\tvalue two\nNULL\tk3\tNULL\n", org.apache.kafka.tools.ConsoleProducer::main, with("--topic", topic,
                "--reader-property", "parse.key=true", "--reader-property", "parse.headers=true", "--reader-property", "null.marker=NULL",
                "--compression-codec", "lz4")));
        answer.append(tool("plain\n", org.apache.kafka.tools.ConsoleProducer::main, with("--topic", topic, "--request-required-acks", "0")));
        answer.append(tool("gzipped\n", org.apache.kafka.tools.ConsoleProducer::main, with("--topic", topic, "--compression-codec", "gzip")));
        answer.append(consume("--topic", topic, "--from-beginning", "--max-messages", "5", "--timeout-ms", PATIENCE_MS,
                "--formatter-property", "print.key=true", "--formatter-property", "print.headers=true", "--formatter-property", "print.offset=true",
                "--formatter-property", "print.partition=true")).append('\n');
        answer.append("from-3:\n").append(consume("--topic", topic, "--partition", "0", "--offset", "3", "--max-messages", "2", "--timeout-ms", PATIENCE_MS)).append('\n');
        answer.append("in-group:\n").append(consume("--topic", topic, "--group", prefix + "tool-console", "--from-beginning", "--max-messages", "2", "--timeout-ms", PATIENCE_MS)).append('\n');
        answer.append("in-group-again:\n").append(consume("--topic", topic, "--group", prefix + "tool-console", "--max-messages", "3", "--timeout-ms", PATIENCE_MS));
        return answer.toString();
    }

    private static String configTool(String... arguments) throws Exception {
        return tool("", kafka.admin.ConfigCommand::main, with(arguments));
    }

    /** What a group is told by itself; it need not be there yet. */
    private static String groupConfigs() throws Exception {
        String[] about = {"--entity-type", "groups", "--entity-name", prefix + "tool-group-configs"};
        StringBuilder answer = new StringBuilder();
        answer.append("nothing is set: ").append(groupConfig(about, "--describe")).append('\n');
        answer.append(groupConfig(about, "--alter", "--add-config", "consumer.session.timeout.ms=50000,consumer.heartbeat.interval.ms=6000")).append('\n');
        Report.await("the session is set", () -> groupConfig(about, "--describe").contains("50000"));
        answer.append(sorted(groupConfig(about, "--describe"))).append('\n');
        answer.append("too short: ").append(reason(groupConfig(about, "--alter", "--add-config", "consumer.session.timeout.ms=44999"))).append('\n');
        answer.append("too long: ").append(reason(groupConfig(about, "--alter", "--add-config", "consumer.heartbeat.interval.ms=15001"))).append('\n');
        answer.append("no number: ").append(reason(groupConfig(about, "--alter", "--add-config", "consumer.assignment.interval.ms=x"))).append('\n');
        answer.append("unknown: ").append(reason(groupConfig(about, "--alter", "--add-config", "foo=1"))).append('\n');
        answer.append("all: ").append(Arrays.stream(groupConfig(about, "--describe", "--all").split("\n"))
            .map(String::strip).filter(line -> line.startsWith("consumer.")).sorted().collect(Collectors.joining("\n"))).append('\n');
        answer.append(groupConfig(about, "--alter", "--delete-config", "consumer.session.timeout.ms,consumer.heartbeat.interval.ms")).append('\n');
        Report.await("nothing is set", () -> !groupConfig(about, "--describe").contains("6000"));
        answer.append("nothing is set again: ").append(groupConfig(about, "--describe"));
        return answer.toString();
    }

    private static String groupConfig(String[] about, String... arguments) throws Exception {
        List<String> all = new ArrayList<>(List.of(about));
        all.addAll(List.of(arguments));
        return configTool(all.toArray(new String[0]));
    }

    /** Why a tool was refused. */
    private static String reason(String printed) {
        return Arrays.stream(printed.split("\n")).filter(line -> line.contains("Exception: ")).findFirst().orElse(printed).replaceAll("^.*Exception: ", "");
    }

    private static String configs() throws Exception {
        String topic = prefix + "tool-configs";
        createTopic("--create", "--topic", topic);
        StringBuilder answer = new StringBuilder();
        answer.append(configTool("--alter", "--entity-type", "topics", "--entity-name", topic, "--add-config", "retention.ms=1000,cleanup.policy=[compact,delete]")).append('\n');
        Report.await("the config is set", () -> configTool("--describe", "--entity-type", "topics", "--entity-name", topic).contains("retention.ms"));
        answer.append(sorted(configTool("--describe", "--entity-type", "topics", "--entity-name", topic))).append('\n');
        answer.append(configTool("--alter", "--entity-type", "topics", "--entity-name", topic, "--delete-config", "retention.ms")).append('\n');
        Report.await("the config is gone", () -> !configTool("--describe", "--entity-type", "topics", "--entity-name", topic).contains("retention.ms"));
        answer.append(sorted(configTool("--describe", "--entity-type", "topics", "--entity-name", topic))).append('\n');
        String bad = configTool("--alter", "--entity-type", "topics", "--entity-name", topic, "--add-config", "no.such=1");
        answer.append("unknown: ").append(bad.contains("InvalidConfigurationException") || bad.contains("Unknown topic config name"));
        return answer.toString();
    }

    /** A key that no other check looks at. */
    private static final String BROKER_KEY = "max.connection.creation.rate";

    /** What is set for one broker or for all. The keys of other checks that run meanwhile are not told. */
    private static String brokerConfigs() throws Exception {
        StringBuilder answer = new StringBuilder();
        String[][] entities = {{"--entity-type", "brokers", "--entity-default"}, {"--entity-type", "brokers", "--entity-name", "1"}};
        for (String change : List.of("--add-config", "--delete-config")) {
            for (int i = 0; i < entities.length; i++) {
                String value = change.equals("--add-config") ? BROKER_KEY + "=" + (1000000 + i) : BROKER_KEY;
                answer.append(configTool(join(entities[i], "--alter", change, value))).append('\n');
                boolean wanted = change.equals("--add-config");
                String[] changed = entities[i];
                Report.await(change + " is done", () -> configTool(join(changed, "--describe")).contains(BROKER_KEY) == wanted);
                for (String[] entity : entities) {
                    for (String line : configTool(join(entity, "--describe")).split("\n")) {
                        if (line.contains(BROKER_KEY) || line.contains("configs for")) answer.append(line).append('\n');
                    }
                }
            }
        }
        String all = configTool(join(entities[1], "--describe", "--all"));
        all.lines().filter(line -> line.contains(" " + BROKER_KEY) || line.contains(" log.roll.ms=")).sorted().forEach(line -> answer.append(line).append('\n'));
        for (String bad : List.of("log.retention.hours=5", "log.retention.ms=soon", "min.insync.replicas=1")) {
            String refused = configTool(join(entities[1], "--alter", "--add-config", bad));
            answer.append(bad).append(": ").append(refused.lines().filter(line -> line.contains("Exception: ")).findFirst().map(line -> line.replaceAll(".*Exception: ", "")).orElse(refused)).append('\n');
        }
        answer.append(configTool("--describe", "--entity-type", "broker-loggers", "--entity-name", "1").contains(" root=")).append('\n');
        String refused = configTool("--alter", "--entity-type", "broker-loggers", "--entity-name", "1", "--add-config", "no.such=INFO");
        answer.append(refused.lines().filter(line -> line.contains("no.such")).findFirst().orElse(refused));
        return answer.toString();
    }

    private static String[] join(String[] some, String... more) {
        String[] all = Arrays.copyOf(some, some.length + more.length);
        System.arraycopy(more, 0, all, some.length, more.length);
        return all;
    }

    private static void produce(String topic, String lines) throws Exception {
        tool(lines, org.apache.kafka.tools.ConsoleProducer::main, with("--topic", topic));
    }

    private static String getOffsets() throws Exception {
        String topic = prefix + "tool-offsets";
        createTopic("--create", "--topic", topic, "--partitions", "1");
        produce(topic, "a\nb\nc\n");
        StringBuilder answer = new StringBuilder();
        for (String time : List.of("latest", "earliest", "max-timestamp", "-1", "-2", "0", "9999999999999")) {
            String printed = tool("", org.apache.kafka.tools.GetOffsetShell::main, with("--topic", topic, "--time", time));
            // Console lines are a batch or three: the largest timestamp may be any of them.
            if (time.equals("max-timestamp")) printed = "" + printed.matches("tool-offsets:0:[012]");
            answer.append(time).append(": ").append(printed).append('\n');
        }
        answer.append("partitions: ").append(tool("", org.apache.kafka.tools.GetOffsetShell::main, with("--topic-partitions", topic + ":0")));
        return answer.toString();
    }

    private static String deleteRecords() throws Exception {
        String topic = prefix + "tool-delete";
        createTopic("--create", "--topic", topic, "--partitions", "1");
        produce(topic, "a\nb\nc\n");
        Path file = Files.createTempFile("delete-records", ".json");
        try {
            Files.writeString(file, "{\"partitions\":[{\"topic\":\"" + topic + "\",\"partition\":0,\"offset\":2}],\"version\":1}");
            return tool("", org.apache.kafka.tools.DeleteRecordsCommand::main, with("--offset-json-file", file.toString()))
                    + "\nleft: " + consume("--topic", topic, "--from-beginning", "--max-messages", "1", "--timeout-ms", PATIENCE_MS);
        } finally {
            Files.delete(file);
        }
    }

    /** What the tool prints, with the names of log directories in place of their paths. */
    private static String reassignTool(String... arguments) throws Exception {
        String printed = tool("", org.apache.kafka.tools.reassign.ReassignPartitionsCommand::main, with(arguments));
        return printed.replaceAll("/[^\" ]*/(data[0-9-]*)", "$1");
    }

    /** Moves a partition to another log directory of the one broker, and asks for what it cannot have. */
    private static String reassignPartitions() throws Exception {
        String topic = prefix + "tool-reassign";
        createTopic("--create", "--topic", topic, "--partitions", "1");
        produce(topic, "a\nb\nc\n");
        List<String> directories;
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
            directories = List.copyOf(new TreeSet<>(admin.describeLogDirs(List.of(1)).allDescriptions().get().get(1).keySet()));
        }
        Path file = Files.createTempFile("reassign", ".json");
        StringBuilder answer = new StringBuilder();
        try {
            // Where it begins is the broker's choice.
            for (int i = 0; i < 2; i++) {
                String plan = "{\"version\":1,\"partitions\":[{\"topic\":\"%s\",\"partition\":0,\"replicas\":[1],\"log_dirs\":[\"%s\"]}]}";
                Files.writeString(file, plan.formatted(topic, directories.get(i)));
                String executed = reassignTool("--reassignment-json-file", file.toString(), "--execute");
                if (i == 1) answer.append("execute: ").append(executed).append('\n');
                Report.require(executed.contains("Successfully started partition reassignment"), executed);
                String[] verified = {""};
                Report.await("the partition is in " + directories.get(i), () -> {
                    verified[0] = reassignTool("--reassignment-json-file", file.toString(), "--verify", "--preserve-throttles");
                    return verified[0].contains("completed successfully");
                });
                answer.append("verify: ").append(verified[0]).append('\n');
            }
            answer.append("verify, throttles cleared: ")
                    .append(reassignTool("--reassignment-json-file", file.toString(), "--verify")).append('\n');
            answer.append("cancel: ").append(reassignTool("--reassignment-json-file", file.toString(), "--cancel")).append('\n');
            answer.append("list: ").append(reassignTool("--list")).append('\n');
            Files.writeString(file, "{\"topics\":[{\"topic\":\"" + topic + "\"}],\"version\":1}");
            answer.append("generate: ").append(reassignTool(
                    "--topics-to-move-json-file", file.toString(), "--broker-list", "1", "--generate")).append('\n');
            Files.writeString(file, "{\"version\":1,\"partitions\":[{\"topic\":\"" + topic + "\",\"partition\":0,\"replicas\":[1,9]}]}");
            answer.append("unknown broker: ").append(reassignTool("--reassignment-json-file", file.toString(), "--execute")).append('\n');
        } finally {
            Files.delete(file);
        }
        return answer + "read: " + consume("--topic", topic, "--from-beginning", "--max-messages", "3", "--timeout-ms", PATIENCE_MS);
    }

    private static String groupTool(String... arguments) throws Exception {
        return tool("", org.apache.kafka.tools.consumer.group.ConsumerGroupCommand::main, with(arguments));
    }

    private static String groups() throws Exception {
        String topic = prefix + "tool-groups";
        String group = prefix + "tool-group";
        createTopic("--create", "--topic", topic, "--partitions", "1");
        produce(topic, "a\nb\nc\nd\n");
        consume("--topic", topic, "--group", group, "--from-beginning", "--max-messages", "3", "--timeout-ms", PATIENCE_MS);
        StringBuilder answer = new StringBuilder();
        answer.append("listed: ").append(Arrays.asList(groupTool("--list").split("\n")).contains("tool-group")).append('\n');
        answer.append(groupTool("--describe", "--group", group)).append('\n');
        // The coordinator's address differs between brokers; the rest must not.
        answer.append(groupTool("--describe", "--group", group, "--state").replaceAll("ADDRESS \\(\\d+\\)", "ADDRESS")).append('\n');
        answer.append(groupTool("--reset-offsets", "--group", group, "--topic", topic, "--to-earliest", "--execute")).append('\n');
        answer.append(groupTool("--describe", "--group", group, "--offsets")).append('\n');
        answer.append(groupTool("--reset-offsets", "--group", group, "--topic", topic, "--shift-by", "2", "--execute")).append('\n');
        answer.append("unknown: ").append(groupTool("--describe", "--group", prefix + "nobody"));
        return answer.toString();
    }

    /** Every way to reset offsets, and to be rid of them. */
    private static String groupOffsets() throws Exception {
        String topic = prefix + "tool-resets";
        String group = prefix + "tool-reset";
        createTopic("--create", "--topic", topic, "--partitions", "1");
        produce(topic, "a\nb\nc\nd\n");
        consume("--topic", topic, "--group", group, "--from-beginning", "--max-messages", "3", "--timeout-ms", PATIENCE_MS);
        Path file = Files.createTempFile("resets", ".csv");
        Files.writeString(file, topic + ",0,1\n");
        StringBuilder answer = new StringBuilder();
        List<List<String>> ways = List.of(
            List.of("--to-earliest", "--dry-run"), List.of("--to-current"), List.of("--to-latest"), List.of("--shift-by", "-3"), List.of("--shift-by", "-9"),
            List.of("--to-offset", "2"), List.of("--to-offset", "99"), List.of("--by-duration", "P1D"), List.of("--by-duration", "PT0S"),
            List.of("--to-datetime", "2000-01-01T00:00:00.000"), List.of("--to-datetime", "2100-01-01T00:00:00.000"),
            List.of("--from-file", file.toString()), List.of("--to-offset", "3", "--export"));
        try {
            for (List<String> way : ways) {
                List<String> arguments = new ArrayList<>(List.of("--reset-offsets", "--group", group, "--topic", way.contains("--export") ? topic : topic + ":0"));
                arguments.addAll(way);
                if (!way.contains("--dry-run")) arguments.add("--execute");
                // The exported file's names are in quotes or not by how long they are, and the prefix is not always as long.
                String told = groupTool(arguments.toArray(new String[0])).replace("\"", "");
                answer.append(String.join(" ", way).replace(file.toString(), "FILE")).append(": ").append(told).append('\n');
            }
        } finally {
            Files.delete(file);
        }
        answer.append("all topics: ").append(groupTool("--reset-offsets", "--group", group, "--all-topics", "--to-earliest", "--execute")).append('\n');
        answer.append("no topic: ").append(groupTool("--reset-offsets", "--group", group, "--topic", topic + "-none", "--to-earliest", "--execute")).append('\n');
        answer.append("without offsets: ").append(groupTool("--reset-offsets", "--group", group + "-new", "--topic", topic, "--to-offset", "2", "--execute")).append('\n');
        answer.append("delete offsets: ").append(groupTool("--delete-offsets", "--group", group, "--topic", topic)).append('\n');
        answer.append("delete offsets of no topic: ").append(groupTool("--delete-offsets", "--group", group, "--topic", topic + "-none")).append('\n');
        answer.append(groupTool("--describe", "--group", group, "--offsets")).append('\n');
        answer.append("delete: ").append(groupTool("--delete", "--group", group)).append('\n');
        answer.append("again: ").append(groupTool("--delete", "--group", group)).append('\n');
        answer.append("described: ").append(groupTool("--describe", "--group", group));
        return answer.toString();
    }

    private static String listGroups() throws Exception {
        String printed = tool("", org.apache.kafka.tools.GroupsCommand::main, with("--list"));
        return Arrays.stream(printed.split("\n")).filter(line -> line.startsWith("tool-group")).collect(Collectors.joining("\n"));
    }

    private static String cluster() throws Exception {
        String printed = tool("", org.apache.kafka.tools.ClusterTool::main, "cluster-id", "--bootstrap-server", bootstrap);
        Report.require(printed.matches("Cluster ID: [A-Za-z0-9_-]{22}"), printed);
        return "cluster-id printed";
    }

    /** The controller listens on the port after the broker's. */
    private static String controller() {
        int colon = bootstrap.lastIndexOf(':');
        return bootstrap.substring(0, colon + 1) + (Integer.parseInt(bootstrap.substring(colon + 1)) + 1);
    }

    /** Asks a broker, and asks a controller: the answers, in which addresses and what grows are taken out. */
    private static String both(Main main, String... arguments) throws Exception {
        StringBuilder answer = new StringBuilder();
        for (String[] where : new String[][] {{"--bootstrap-server", bootstrap}, {"--bootstrap-controller", controller()}}) {
            String printed = tool("", main, join(where, arguments)).replace(controller(), "CONTROLLER'S ADDRESS");
            printed = printed.replaceAll("[A-Za-z0-9_-]{22}", "ID").replaceAll("(?m)(HighWatermark|LeaderEpoch): \\d+", "$1: NUMBER")
                    .replaceAll("(?m)Epoch: \\d+$", "Epoch: NUMBER").replaceAll("(?m)^1 ID \\d+ (\\d+) \\d+ \\d+ ", "1 ID END $1 THEN THEN ")
                    .replaceAll("(?m)^1 ID \\d+ (\\d+) \\d+ ms ago \\d+ ms ago ", "1 ID END $1 AGO AGO ");
            answer.append(printed).append('\n');
        }
        return answer.toString();
    }

    private static String metadataQuorum() throws Exception {
        Main main = org.apache.kafka.tools.MetadataQuorumCommand::main;
        return both(main, "describe", "--status") + both(main, "describe", "--replication") + both(main, "describe", "--replication", "--human-readable");
    }

    /** Nothing of this changes anything: other suites run meanwhile. */
    private static String features() throws Exception {
        Main main = org.apache.kafka.tools.FeatureCommand::main;
        StringBuilder answer = new StringBuilder();
        // A broker may support more features than these.
        answer.append(Arrays.stream(both(main, "describe").split("\n"))
                .filter(line -> line.matches("Feature: (metadata|group|kraft|eligible.leader.replicas).version .*")).collect(Collectors.joining("\n"))).append('\n');
        List<List<String>> ways = List.of(
            List.of("upgrade", "--release-version", "4.3"), List.of("upgrade", "--metadata", "4.3"), List.of("upgrade", "--metadata", "4.0"),
            List.of("upgrade", "--metadata", "9.9"), List.of("upgrade", "--feature", "group.version=2"), List.of("upgrade", "--feature", "no.such=1"),
            List.of("upgrade", "--feature", "group.version=1", "--feature", "kraft.version=1", "--dry-run"),
            List.of("downgrade", "--metadata", "4.0"), List.of("downgrade", "--metadata", "3.3-IV3", "--unsafe"), List.of("downgrade", "--feature", "group.version=0", "--dry-run"),
            List.of("downgrade", "--release-version", "4.0", "--dry-run"), List.of("disable", "--feature", "group.version", "--dry-run"),
            List.of("disable", "--feature", "kraft.version"), List.of("disable", "--feature", "metadata.version", "--unsafe"));
        for (List<String> way : ways) answer.append(String.join(" ", way)).append(": ").append(both(main, way.toArray(new String[0])));
        return answer.toString();
    }

    private static String leaderElection() throws Exception {
        String topic = prefix + "tool-election";
        createTopic("--create", "--topic", topic, "--partitions", "2");
        Main main = org.apache.kafka.tools.LeaderElectionCommand::main;
        Path file = Files.createTempFile("election", ".json");
        Files.writeString(file, "{\"partitions\":[{\"topic\":\"" + topic + "\",\"partition\":0},{\"topic\":\"" + topic + "\",\"partition\":1}]}");
        StringBuilder answer = new StringBuilder();
        try {
            for (String type : List.of("preferred", "unclean")) {
                answer.append(type).append(": ").append(tool("", main, with("--election-type", type, "--topic", topic, "--partition", "0"))).append('\n');
                answer.append(type).append(" of no partition: ").append(tool("", main, with("--election-type", type, "--topic", topic, "--partition", "7"))).append('\n');
            }
            // In which order they are told is a matter of the names' hashes.
            String both = tool("", main, with("--election-type", "preferred", "--path-to-json-file", file.toString()));
            answer.append("both: ").append(both.replace("tool-election-1, tool-election-0", "tool-election-0, tool-election-1")).append('\n');
            answer.append("all: ").append(tool("", main, with("--election-type", "preferred", "--all-topic-partitions"))).append('\n');
        } finally {
            Files.delete(file);
        }
        return answer.toString();
    }

    private static String performance() throws Exception {
        String topic = prefix + "tool-perf";
        createTopic("--create", "--topic", topic, "--partitions", "2");
        String produced = tool("", org.apache.kafka.tools.ProducerPerformance::main, "--topic", topic, "--num-records", "50000", "--record-size", "100",
                "--throughput", "-1", "--bootstrap-server", bootstrap);
        Report.require(produced.contains("50000 records sent"), produced);
        String consumed = tool("", org.apache.kafka.tools.ConsumerPerformance::main, "--topic", topic, "--num-records", "50000", "--bootstrap-server", bootstrap,
                "--timeout", PATIENCE_MS, "--hide-header");
        Report.require(consumed.split("\n")[0].contains(" 50000,"), consumed);
        return "50000 records sent and read";
    }
}
