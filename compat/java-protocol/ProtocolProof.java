import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.PrintStream;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.jar.JarFile;

import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.RawTaggedField;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.protocol.types.Type;

/**
 * Speaks for Kafka's own generated message classes: writes every message at every version with seeded
 * values, and checks bytes that somebody else wrote. See README.md for the file format and the commands.
 */
public final class ProtocolProof {
    private static final String[] JARS = {
        "kafka-clients", "kafka-metadata", "kafka-raft", "kafka-storage", "kafka-group-coordinator",
        "kafka-transaction-coordinator", "kafka-share-coordinator", "kafka-server-common", "kafka-server"
    };

    public static void main(String[] args) throws Exception {
        if (args.length == 5 && args[0].equals("write")) {
            write(Path.of(args[1]), Path.of(args[2]), Long.parseLong(args[3]), Integer.parseInt(args[4]));
        } else if (args.length == 3 && args[0].equals("check")) {
            check(Path.of(args[1]), Path.of(args[2]));
        } else if (args.length == 3 && args[0].equals("refusals")) {
            refusals(Path.of(args[1]), Path.of(args[2]));
        } else {
            System.err.println("usage: write JARS FILE SEED CASES | check JARS FILE | refusals JARS FILE");
            System.exit(2);
        }
    }

    /** All message classes, by the name their schema has. */
    private static Map<String, Class<?>> messages(Path jars) throws Exception {
        Map<String, Class<?>> found = new TreeMap<>();
        File[] files = jars.toFile().listFiles((dir, name) -> name.endsWith(".jar"));
        for (File file : files == null ? new File[0] : files) {
            boolean wanted = Arrays.stream(JARS).anyMatch(jar -> file.getName().matches(jar + "-[0-9].*"));
            if (!wanted) continue;
            try (JarFile jar = new JarFile(file)) {
                for (var entry : jar.stream().toList()) {
                    String path = entry.getName();
                    boolean generated = path.contains("/generated/") || path.contains("common/message/")
                        || path.contains("common/metadata/");
                    if (!generated || !path.endsWith(".class") || path.contains("$")) continue;
                    Class<?> type = Class.forName(path.replace('/', '.').replaceAll("\\.class$", ""));
                    if (!ApiMessage.class.isAssignableFrom(type)) continue;
                    String name = type.getSimpleName().replaceAll("(Request|Response|Header)Data$", "$1");
                    if (found.put(name, type) != null) throw new IllegalStateException("two of " + name);
                }
            }
        }
        if (found.isEmpty()) throw new IllegalStateException("no Kafka jars in " + jars);
        return found;
    }

    private static ApiMessage create(Class<?> type) throws ReflectiveOperationException {
        return (ApiMessage) type.getConstructor().newInstance();
    }

    private static short key(ApiMessage message) {
        try {
            return message.apiKey();
        } catch (UnsupportedOperationException e) {
            return -1;
        }
    }

    private static byte[] serialise(Message message, short version) {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        int size = message.size(cache, version);
        ByteBuffer buffer = ByteBuffer.allocate(size);
        message.write(new ByteBufferAccessor(buffer), cache, version);
        if (buffer.hasRemaining()) throw new IllegalStateException("size and bytes differ");
        return buffer.array();
    }

    // ---- write ----

    private static void write(Path jars, Path file, long seed, int cases) throws Exception {
        int count = 0;
        try (var out = new DataOutputStream(new BufferedOutputStream(Files.newOutputStream(file)))) {
            for (var entry : messages(jars).entrySet()) {
                ApiMessage sample = create(entry.getValue());
                for (int v = sample.lowestSupportedVersion(); v <= sample.highestSupportedVersion(); v++) {
                    Random random = new Random(seed ^ ((long) entry.getKey().hashCode() << 16) ^ v);
                    for (int c = 0; c < cases; c++) {
                        ApiMessage message = create(entry.getValue());
                        Filler filler = new Filler(random, (short) v, Mode.values()[Math.min(c, 3)]);
                        filler.fill(message, schema(entry.getValue(), v));
                        put(out, entry.getKey(), key(message), (short) v, serialise(message, (short) v));
                        count++;
                    }
                }
            }
        }
        System.out.println("wrote " + count + " messages");
    }

    private static void put(DataOutputStream out, String name, short key, short version, byte[] bytes)
        throws IOException {
        byte[] text = name.getBytes(StandardCharsets.UTF_8);
        out.writeShort(text.length);
        out.write(text);
        out.writeShort(key);
        out.writeShort(version);
        out.writeInt(bytes.length);
        out.write(bytes);
    }

    private static Schema schema(Class<?> type, int version) throws ReflectiveOperationException {
        return (Schema) type.getField("SCHEMA_" + version).get(null);
    }

    /** What kind of values a message gets: everything empty or null, one of each, a few, or many and long. */
    private enum Mode { EMPTY, ONE, SOME, MANY }

    private static String plain(String name) {
        return name.replace("_", "").toLowerCase();
    }

    private static Field fieldFor(Class<?> type, String schemaName) {
        for (Field field : type.getDeclaredFields()) {
            if (!Modifier.isStatic(field.getModifiers()) && !field.getName().startsWith("_")
                && plain(field.getName()).equals(plain(schemaName))) {
                field.setAccessible(true);
                return field;
            }
        }
        throw new IllegalStateException(type + " has no field for " + schemaName);
    }

    /** The class of a collection's elements. */
    private static Class<?> elementClass(Field field) {
        if (field.getGenericType() instanceof ParameterizedType list) {
            return (Class<?>) list.getActualTypeArguments()[0];
        }
        ParameterizedType collection = (ParameterizedType) field.getType().getGenericSuperclass();
        return (Class<?>) collection.getActualTypeArguments()[0];
    }

    private static final class Filler {
        private final Random random;
        private final short version;
        private final Mode mode;

        Filler(Random random, short version, Mode mode) {
            this.random = random;
            this.version = version;
            this.mode = mode;
        }

        void fill(Message message, Schema schema) throws Exception {
            for (BoundField bound : schema.fields()) {
                if (bound.def.type instanceof TaggedFields tagged) {
                    for (var field : tagged.fields().entrySet()) {
                        if (mode == Mode.MANY || mode == Mode.ONE || random.nextBoolean()) {
                            set(message, field.getValue().name, field.getValue().type);
                        }
                    }
                    if (mode == Mode.MANY || (mode == Mode.SOME && random.nextInt(4) == 0)) {
                        // Above all that any version knows: a known tag in a version without it is an error.
                        int tag = 64 + random.nextInt(3);
                        for (int i = random.nextInt(3); i >= 0; i--) {
                            byte[] data = new byte[random.nextInt(mode == Mode.MANY ? 200 : 6)];
                            random.nextBytes(data);
                            message.unknownTaggedFields().add(new RawTaggedField(tag, data));
                            tag += 1 + random.nextInt(200);
                        }
                    }
                } else {
                    set(message, bound.def.name, bound.def.type);
                }
            }
        }

        private void set(Message message, String name, Type type) throws Exception {
            Field field = fieldFor(message.getClass(), name);
            Class<?> kind = field.getType();
            boolean nullable = type.isNullable();
            if (nullable && (mode == Mode.EMPTY || random.nextInt(5) == 0)) {
                field.set(message, null);
            } else if (kind == boolean.class) {
                field.setBoolean(message, mode != Mode.EMPTY && random.nextBoolean());
            } else if (kind == byte.class) {
                field.setByte(message, (byte) number(Byte.MIN_VALUE, Byte.MAX_VALUE));
            } else if (kind == short.class) {
                field.setShort(message, (short) number(Short.MIN_VALUE, Short.MAX_VALUE));
            } else if (kind == int.class && type == Type.UINT16) {
                field.setInt(message, (int) number(0, 0xffff));
            } else if (kind == int.class) {
                field.setInt(message, (int) number(Integer.MIN_VALUE, Integer.MAX_VALUE));
            } else if (kind == long.class && type == Type.UNSIGNED_INT32) {
                field.setLong(message, number(0, 0xffff_ffffL));
            } else if (kind == long.class) {
                field.setLong(message, number(Long.MIN_VALUE, Long.MAX_VALUE));
            } else if (kind == double.class) {
                field.setDouble(message, mode == Mode.EMPTY ? 0 : random.nextGaussian() * 1e9);
            } else if (Collection.class.isAssignableFrom(kind)) {
                field.set(message, elements(field, type));
            } else if (Message.class.isAssignableFrom(kind)) {
                Message inner = (Message) kind.getConstructor().newInstance();
                fill(inner, (Schema) type);
                field.set(message, inner);
            } else {
                field.set(message, value(kind));
            }
        }

        private Object elements(Field field, Type type) throws Exception {
            Class<?> kind = elementClass(field);
            Type element = type.arrayElementType().orElseThrow();
            int count = switch (mode) {
                case EMPTY -> 0;
                case ONE -> 1;
                case SOME -> random.nextInt(3);
                case MANY -> Message.class.isAssignableFrom(kind) ? random.nextInt(4)
                    : random.nextInt(8) == 0 ? 130 + random.nextInt(20) : random.nextInt(5);
            };
            @SuppressWarnings("unchecked")
            Collection<Object> all = field.getType() == List.class
                ? new ArrayList<>() : (Collection<Object>) field.getType().getConstructor().newInstance();
            for (int i = 0; i < count; i++) {
                if (Message.class.isAssignableFrom(kind)) {
                    Message inner = (Message) kind.getConstructor().newInstance();
                    fill(inner, (Schema) element);
                    all.add(inner);
                } else if (kind == Byte.class) {
                    all.add((byte) number(Byte.MIN_VALUE, Byte.MAX_VALUE));
                } else if (kind == Short.class) {
                    all.add((short) number(Short.MIN_VALUE, Short.MAX_VALUE));
                } else if (kind == Integer.class) {
                    all.add((int) number(Integer.MIN_VALUE, Integer.MAX_VALUE));
                } else if (kind == Long.class) {
                    all.add(number(Long.MIN_VALUE, Long.MAX_VALUE));
                } else {
                    all.add(value(kind));
                }
            }
            return all;
        }

        private Object value(Class<?> kind) {
            if (kind == String.class) return text();
            if (kind == Uuid.class) return mode == Mode.EMPTY ? Uuid.ZERO_UUID : new Uuid(random.nextLong(), random.nextLong());
            byte[] bytes = new byte[size()];
            random.nextBytes(bytes);
            if (kind == byte[].class) return bytes;
            if (kind == ByteBuffer.class) return ByteBuffer.wrap(bytes);
            if (kind.getSimpleName().equals("BaseRecords")) return records(bytes);
            throw new IllegalStateException("no values of " + kind);
        }

        private static Object records(byte[] bytes) {
            for (String name : new String[] {"org.apache.kafka.common.record.internal.MemoryRecords", "org.apache.kafka.common.record.MemoryRecords"}) {
                try {
                    return Class.forName(name).getMethod("readableRecords", ByteBuffer.class)
                        .invoke(null, ByteBuffer.wrap(bytes));
                } catch (ClassNotFoundException e) {
                    // Its package has moved between versions: try the other.
                } catch (ReflectiveOperationException e) {
                    throw new IllegalStateException(e);
                }
            }
            throw new IllegalStateException("no MemoryRecords");
        }

        private int size() {
            return switch (mode) {
                case EMPTY -> 0;
                case ONE -> 1;
                case SOME -> random.nextInt(12);
                case MANY -> random.nextInt(10) == 0 ? 100 + random.nextInt(300) : random.nextInt(20);
            };
        }

        private String text() {
            int size = size();
            StringBuilder text = new StringBuilder();
            for (int i = 0; i < size; i++) {
                int kind = random.nextInt(12);
                if (kind == 0) text.append("é");
                else if (kind == 1) text.append("櫻");
                else if (kind == 2) text.appendCodePoint(0x1f680 + random.nextInt(40));
                else text.append((char) ('a' + random.nextInt(26)));
            }
            return text.toString();
        }

        private long number(long low, long high) {
            if (mode == Mode.EMPTY) return 0;
            return switch (random.nextInt(6)) {
                case 0 -> low;
                case 1 -> high;
                case 2 -> 0;
                case 3 -> 1;
                case 4 -> Math.max(low, -1);
                default -> {
                    long any = random.nextLong();
                    yield low <= any && any <= high ? any : low + Math.floorMod(any, high - low + 1);
                }
            };
        }
    }

    // ---- check ----

    private static void check(Path jars, Path file) throws Exception {
        Map<String, Class<?>> messages = messages(jars);
        Set<String> missing = new HashSet<>();
        for (var entry : messages.entrySet()) {
            ApiMessage sample = create(entry.getValue());
            for (int v = sample.lowestSupportedVersion(); v <= sample.highestSupportedVersion(); v++) {
                missing.add(entry.getKey() + " " + v);
            }
        }
        int count = 0;
        int wrong = 0;
        try (var in = new DataInputStream(new BufferedInputStream(Files.newInputStream(file)))) {
            while (true) {
                int length = in.read();
                if (length < 0) break;
                String name = new String(in.readNBytes(length << 8 | in.read()), StandardCharsets.UTF_8);
                short key = in.readShort();
                short version = in.readShort();
                byte[] bytes = in.readNBytes(in.readInt());
                missing.remove(name + " " + version);
                count++;
                String problem = problem(messages.get(name), key, version, bytes);
                if (problem != null) {
                    wrong++;
                    System.out.println(name + " version " + version + ": " + problem);
                }
            }
        }
        for (String absent : missing) System.out.println("never seen: " + absent);
        System.out.println("checked " + count + " messages, " + wrong + " wrong, " + missing.size() + " versions never seen");
        if (count == 0 || wrong > 0 || !missing.isEmpty()) System.exit(1);
    }

    private static String problem(Class<?> type, short key, short version, byte[] bytes) throws Exception {
        if (type == null) return "Kafka has no such message";
        ApiMessage message = create(type);
        if (key != key(message)) return "its key is " + key(message) + ", not " + key;
        try {
            ByteBuffer buffer = ByteBuffer.wrap(bytes);
            message.read(new ByteBufferAccessor(buffer), version);
            if (buffer.hasRemaining()) return buffer.remaining() + " bytes left over";
            byte[] again = serialise(message, version);
            return Arrays.equals(bytes, again) ? null
                : "differs\n  got  " + hex(bytes) + "\n  want " + hex(again);
        } catch (RuntimeException e) {
            return e + "\n  got  " + hex(bytes);
        }
    }

    private static String hex(byte[] bytes) {
        StringBuilder out = new StringBuilder();
        for (byte b : bytes) out.append(String.format("%02x", b));
        return out.toString();
    }

    // ---- refusals ----

    /** For every field and every version that lacks it: does Kafka refuse to write it when it is set? */
    private static void refusals(Path jars, Path file) throws Exception {
        int count = 0;
        try (PrintStream out = new PrintStream(Files.newOutputStream(file), false, StandardCharsets.UTF_8)) {
            for (var entry : messages(jars).entrySet()) {
                ApiMessage sample = create(entry.getValue());
                for (int v = sample.lowestSupportedVersion(); v <= sample.highestSupportedVersion(); v++) {
                    Schema schema = schema(entry.getValue(), v);
                    count += refusals(out, entry.getKey(), entry.getValue(), (short) v, schema,
                        entry.getValue(), new ArrayList<>(), new HashSet<>());
                }
            }
        }
        System.out.println("tried " + count + " fields where they do not belong");
    }

    private static int refusals(PrintStream out, String name, Class<?> root, short version, Schema schema,
        Class<?> type, List<Field> path, Set<Class<?>> seen) throws Exception {
        if (!seen.add(type)) return 0;
        Map<String, Type> present = new TreeMap<>();
        for (BoundField bound : schema.fields()) {
            if (bound.def.type instanceof TaggedFields tagged) {
                tagged.fields().values().forEach(field -> present.put(plain(field.name), field.type));
            } else {
                present.put(plain(bound.def.name), bound.def.type);
            }
        }
        int count = 0;
        for (Field field : type.getDeclaredFields()) {
            if (Modifier.isStatic(field.getModifiers()) || field.getName().startsWith("_")) continue;
            if (field.getName().equals("next") || field.getName().equals("prev")) continue;
            field.setAccessible(true);
            Type fieldType = present.get(plain(field.getName()));
            if (fieldType == null) {
                ApiMessage message = create(root);
                Object place = message;
                for (Field step : path) place = step(place, step);
                setAway(place, field);
                String verdict = "ignored";
                try {
                    serialise(message, version);
                } catch (org.apache.kafka.common.errors.UnsupportedVersionException e) {
                    verdict = "refused";
                }
                out.println(name + " " + version + " " + type.getSimpleName() + " " + field.getName() + " " + verdict);
                count++;
                continue;
            }
            Type inner = fieldType.isArray() ? fieldType.arrayElementType().orElseThrow() : fieldType;
            if (inner instanceof Schema innerSchema) {
                Class<?> innerClass = fieldType.isArray() ? elementClass(field) : field.getType();
                List<Field> further = new ArrayList<>(path);
                further.add(field);
                count += refusals(out, name, root, version, innerSchema, innerClass, further, seen);
            }
        }
        return count;
    }

    /** Puts one structure into the field, and gives it. */
    private static Object step(Object place, Field field) throws Exception {
        if (!Collection.class.isAssignableFrom(field.getType())) {
            Object inner = field.getType().getConstructor().newInstance();
            field.set(place, inner);
            return inner;
        }
        Object inner = elementClass(field).getConstructor().newInstance();
        @SuppressWarnings("unchecked")
        Collection<Object> all = field.getType() == List.class
            ? new ArrayList<>() : (Collection<Object>) field.getType().getConstructor().newInstance();
        all.add(inner);
        field.set(place, all);
        return inner;
    }

    /** Sets the field to something that is not its default. */
    private static void setAway(Object place, Field field) throws Exception {
        Class<?> kind = field.getType();
        Object now = field.get(place);
        if (kind == boolean.class) field.setBoolean(place, !(boolean) now);
        else if (kind == byte.class) field.setByte(place, (byte) ((byte) now + 1));
        else if (kind == short.class) field.setShort(place, (short) ((short) now + 1));
        else if (kind == int.class) field.setInt(place, (int) now ^ 1);
        else if (kind == long.class) field.setLong(place, (long) now ^ 1);
        else if (kind == double.class) field.setDouble(place, 1.5);
        else if (kind == String.class) field.set(place, "away");
        else if (kind == Uuid.class) field.set(place, new Uuid(3, 4));
        else if (kind == byte[].class) field.set(place, new byte[] {1});
        else if (kind == ByteBuffer.class) field.set(place, ByteBuffer.wrap(new byte[] {1}));
        else if (List.class == kind && !Message.class.isAssignableFrom(elementClass(field))) {
            field.set(place, new ArrayList<>(List.of(simple(elementClass(field)))));
        } else if (Collection.class.isAssignableFrom(kind)) step(place, field);
        else if (Message.class.isAssignableFrom(kind)) {
            Object inner = step(place, field);
            for (Field deeper : kind.getDeclaredFields()) {
                if (Modifier.isStatic(deeper.getModifiers()) || deeper.getName().startsWith("_")) continue;
                deeper.setAccessible(true);
                setAway(inner, deeper);
                break;
            }
        } else throw new IllegalStateException("cannot set " + field);
    }

    private static Object simple(Class<?> kind) {
        if (kind == Byte.class) return (byte) 1;
        if (kind == Short.class) return (short) 1;
        if (kind == Integer.class) return 1;
        if (kind == Long.class) return 1L;
        if (kind == Uuid.class) return new Uuid(1, 2);
        return "away";
    }
}
