import java.io.PrintStream;
import java.nio.file.Path;
import java.util.*;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.server.config.DynamicBrokerConfig;
import org.apache.kafka.storage.internals.log.LogConfig;

/** Writes down what Apache Kafka says of its configuration keys. See README.md beside this file. */
public class Golden {
    static final String[] NUMBERS = {
        "", " ", "0", "1", "-1", "-2", "-3", "5", "10", "18", "100", "1000", "2000000", "2147483647", "2147483648",
        "-2147483649", "9223372036854775807", "9223372036854775808", "+7", " 7 ", "1e3", "0.5", "1.5", "-0.1", "1d",
        "NaN", "inf", "Infinity", ".5", "5.", "1_000", "0x1g", "true",
    };
    static final String[] TEXTS = {
        "", " ", "5", "true", "TRUE", " false ", "yes", "a", "A,B", "a,a",
        "a,,b", ",", " a , b ", "delete", "compact,delete", "compact , delete", "delete,delete", "Delete", "compact,x",
        "*", "*,*", "1:2,3:4", "1:2, 3:4", "1:2,x", "1:2,", ":", "gzip", "none", "producer", "ZSTD", "CreateTime",
        "createtime", "LogAppendTime", "upgrade", "1@localhost:9093", "1@localhost:9093,2@other:9093", "1@:9093",
        "x@localhost:9093", "localhost:9093", "localhost:9093,other:9093", "localhost", "[::1]:9093",
        "PLAINTEXT://localhost:9093", "localhost:x", "\u00e9",
    };

    public static void main(String[] args) throws Exception {
        Path folder = Path.of(args[0]);
        if (args.length == 1) {
            try (PrintStream out = new PrintStream(folder.resolve("keys.tsv").toFile(), "UTF-8")) { keys(out); }
            try (PrintStream out = new PrintStream(folder.resolve("values.tsv").toFile(), "UTF-8")) { values(out); }
            try (PrintStream out = new PrintStream(folder.resolve("topics.tsv").toFile(), "UTF-8")) { topics(out); }
        } else {
            try (PrintStream out = new PrintStream(folder.resolve("described.tsv").toFile(), "UTF-8")) { described(out, args[1]); }
        }
    }

    static String text(Object value) {
        return value == null ? "\\0" : value.toString().replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n");
    }

    static void row(PrintStream out, Object... columns) {
        StringJoiner line = new StringJoiner("\t");
        for (Object column : columns) line.add(text(column));
        out.println(line);
    }

    static Map<String, ConfigDef> tables() {
        Map<String, ConfigDef> tables = new LinkedHashMap<>();
        tables.put("topic", LogConfig.configDefCopy());
        tables.put("broker", kafka.server.KafkaConfig.configDef());
        return tables;
    }

    /** table, name, type, default, importance, internal, update mode. */
    static void keys(PrintStream out) {
        Map<String, String> modes = DynamicBrokerConfig.dynamicConfigUpdateModes();
        tables().forEach((table, def) -> {
            for (ConfigDef.ConfigKey key : new TreeMap<>(def.configKeys()).values()) {
                String value = key.defaultValue == ConfigDef.NO_DEFAULT_VALUE ? "\\required"
                    : text(ConfigDef.convertToString(key.defaultValue, key.type));
                out.println(String.join("\t", table, key.name, key.type.toString(), value, key.importance.toString(),
                    key.internalConfig ? "internal" : "", table.equals("topic") ? "cluster-wide" : modes.getOrDefault(key.name, "read-only")));
            }
        });
    }

    /** table, name, value, "ok" and the value's canonical text, or "refused" and the reason. */
    static void values(PrintStream out) {
        Set<String> seen = new HashSet<>();
        tables().forEach((table, def) -> {
            for (ConfigDef.ConfigKey key : new TreeMap<>(def.configKeys()).values()) {
                if (key.internalConfig || key.type == ConfigDef.Type.CLASS || key.type == ConfigDef.Type.PASSWORD) continue;
                // One key of each sort is enough.
                String sort = key.type + " " + key.validator + (key.validator == null ? "" : key.validator.getClass());
                if (key.validator instanceof ConfigDef.ValidList) sort += listSort(key);
                if (!seen.add(sort)) continue;
                for (String value : isNumber(key) ? NUMBERS : TEXTS) {
                    try {
                        Object parsed = new ConfigDef().define(key).parse(Map.of(key.name, value)).get(key.name);
                        row(out, table, key.name, value, "ok", ConfigDef.convertToString(parsed, key.type));
                    } catch (Exception e) {
                        row(out, table, key.name, value, "refused", e.getMessage());
                    }
                }
            }
        });
    }

    static boolean isNumber(ConfigDef.ConfigKey key) {
        return switch (key.type) {
            case INT, SHORT, LONG, DOUBLE -> true;
            default -> false;
        };
    }

    /** A list's validator does not tell in its text whether the list may be empty. */
    static String listSort(ConfigDef.ConfigKey key) {
        try {
            key.validator.ensureValid(key.name, List.of());
            return "may be empty";
        } catch (Exception e) {
            return "may not be empty";
        }
    }

    /** settings of a topic as "key=value;key=value", "ok" or the reason of the refusal. */
    static void topics(PrintStream out) {
        Properties broker = new Properties();
        broker.setProperty("process.roles", "broker,controller");
        broker.setProperty("node.id", "1");
        broker.setProperty("controller.quorum.bootstrap.servers", "localhost:9093");
        broker.setProperty("controller.listener.names", "CONTROLLER");
        broker.setProperty("listeners", "PLAINTEXT://:9092,CONTROLLER://:9093");
        kafka.server.KafkaConfig config = new kafka.server.KafkaConfig(broker);
        for (String settings : new String[] {
            "", "foo=1", "message.format.version=3.0", "message.downconversion.enable=true", "segment.bytes=100",
            "segment.bytes=x", "cleanup.policy=", "cleanup.policy=compact,delete", "cleanup.policy=delete,delete",
            "min.compaction.lag.ms=10;max.compaction.lag.ms=5", "min.compaction.lag.ms=10;max.compaction.lag.ms=10",
            "remote.storage.enable=true", "remote.storage.enable=false", "remote.log.copy.disable=true",
            "remote.log.delete.on.disable=true", "local.retention.ms=5;retention.ms=1", "local.retention.bytes=-1",
            "retention.ms=-2", "retention.bytes=-5", "compression.type=none", "min.insync.replicas=0",
            "segment.ms=0", "flush.ms=-1", "unclean.leader.election.enable=maybe", "max.message.bytes=-1",
        }) {
            Map<String, String> map = new HashMap<>();
            for (String setting : settings.split(";")) {
                int at = setting.indexOf('=');
                if (at > 0) map.put(setting.substring(0, at), setting.substring(at + 1));
            }
            try {
                LogConfig.validate(Map.of(), map, config.extractLogConfigMap(), false);
                row(out, settings, "ok");
            } catch (Exception e) {
                row(out, settings, e.getMessage());
            }
        }
    }

    static final String[][] TOPICS = {
        {"plain", ""},
        {"own", "retention.ms=1000;cleanup.policy=compact , delete;segment.bytes=3145728;compression.type=gzip;min.insync.replicas=2;leader.replication.throttled.replicas=*"},
    };

    /** resource, name, value, source, read-only, sensitive, type, synonyms as name=value@source. */
    static void described(PrintStream out, String server) throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", server))) {
            for (String[] topic : TOPICS) {
                Map<String, String> configs = new HashMap<>();
                for (String setting : topic[1].split(";"))
                    if (!setting.isEmpty()) configs.put(setting.split("=", 2)[0], setting.split("=", 2)[1]);
                try {
                    CreateTopicsResult result = admin.createTopics(List.of(new NewTopic(topic[0], 1, (short) 1).configs(configs)));
                    entries(out, "created " + topic[0], result.config(topic[0]).get());
                } catch (ExecutionException e) {
                    row(out, "created " + topic[0], e.getCause().getMessage());
                }
            }
            List<ConfigResource> resources = new ArrayList<>();
            for (String[] topic : TOPICS) resources.add(new ConfigResource(ConfigResource.Type.TOPIC, topic[0]));
            resources.add(new ConfigResource(ConfigResource.Type.BROKER, "1"));
            resources.add(new ConfigResource(ConfigResource.Type.BROKER, ""));
            DescribeConfigsOptions options = new DescribeConfigsOptions().includeSynonyms(true);
            for (ConfigResource resource : resources)
                entries(out, resource.type() + " " + resource.name(),
                    admin.describeConfigs(List.of(resource), options).all().get().get(resource));
        }
    }

    static void entries(PrintStream out, String resource, Config config) {
        Map<String, ConfigEntry> sorted = new TreeMap<>();
        for (ConfigEntry entry : config.entries()) sorted.put(entry.name(), entry);
        for (ConfigEntry entry : sorted.values()) {
            StringJoiner synonyms = new StringJoiner("; ");
            for (ConfigEntry.ConfigSynonym synonym : entry.synonyms())
                synonyms.add(synonym.name() + "=" + synonym.value() + "@" + synonym.source());
            row(out, resource, entry.name(), entry.value(), entry.source(), entry.isReadOnly(), entry.isSensitive(), entry.type(), synonyms);
        }
    }
}
