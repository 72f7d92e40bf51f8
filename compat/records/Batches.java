import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.*;
import java.util.zip.CRC32;

import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.message.ProduceRequestData;
import org.apache.kafka.common.message.ProduceResponseData;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.*;
import org.apache.kafka.common.requests.*;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.utils.Crc32C;

/**
 * Batches of Apache Kafka's Java client, and what Apache Kafka says to bad ones.
 *
 * <pre>
 * Batches topics BOOTSTRAP            creates a topic per client and codec
 * Batches produce BOOTSTRAP           produces the sample records in all codecs, a transaction, and to a LogAppendTime topic
 * Batches empty FILE                  writes the batch that compaction leaves of a producer's last one
 * Batches refusals BOOTSTRAP          sends bad batches, prints a line for each: name, topic, version, error, message, record errors, bytes
 * Batches read FILE                   prints each batch and record of a segment
 * </pre>
 */
public final class Batches {
    static final String[] CODECS = {"none", "gzip", "snappy", "lz4", "zstd"};
    static final long TIME = 1_700_000_000_000L;
    static final int COUNT = 120;

    public static void main(String[] args) throws Exception {
        switch (args[0]) {
            case "topics" -> topics(args[1]);
            case "produce" -> produce(args[1]);
            case "empty" -> empty(Path.of(args[1]));
            case "refusals" -> refusals(args[1]);
            case "read" -> read(Path.of(args[1]));
            default -> throw new IllegalArgumentException(args[0]);
        }
    }

    static Admin admin(String bootstrap) {
        return Admin.create(Map.of(AdminClientConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap));
    }

    static void topics(String bootstrap) throws Exception {
        List<NewTopic> topics = new ArrayList<>();
        for (String client : new String[] {"java", "librdkafka", "franz-go"}) {
            for (String codec : CODECS) {
                topics.add(new NewTopic(client + "-" + codec, 1, (short) 1).configs(Map.of("retention.ms", "-1")));
            }
        }
        topics.add(new NewTopic("java-transaction", 1, (short) 1).configs(Map.of("retention.ms", "-1")));
        topics.add(new NewTopic("java-append-time", 1, (short) 1)
            .configs(Map.of("retention.ms", "-1", "message.timestamp.type", "LogAppendTime")));
        try (Admin admin = admin(bootstrap)) {
            admin.createTopics(topics).all().get();
        }
    }

    /** Record {@code i} of the sample that all clients write; the last one is large. */
    static ProducerRecord<byte[], byte[]> sample(String topic, int i) {
        if (i == COUNT) {
            StringBuilder text = new StringBuilder();
            for (int n = 0; text.length() < 70_000; n++) text.append(n).append(' ');
            text.setLength(70_000);
            return new ProducerRecord<>(topic, 0, time(i), bytes("big"), bytes(text.toString()));
        }
        byte[] key = i % 7 == 3 ? null : bytes(i == 12 ? "" : "key-" + i);
        byte[] value = i % 11 == 5 ? null : bytes(("value-" + i + " ").repeat(i % 40));
        List<Header> headers = new ArrayList<>();
        if (i % 5 == 0) {
            headers.add(new RecordHeader("n", bytes(Integer.toString(i))));
            headers.add(new RecordHeader("ключ", (byte[]) null));
        }
        return new ProducerRecord<>(topic, 0, time(i), key, value, headers);
    }

    static long time(int i) {
        return TIME + i * 1000L - i % 3 * 5000L;
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static Producer<byte[], byte[]> producer(String bootstrap, String codec, Map<String, Object> more) {
        Map<String, Object> config = new HashMap<>(Map.of(
            ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap,
            ProducerConfig.COMPRESSION_TYPE_CONFIG, codec,
            ProducerConfig.LINGER_MS_CONFIG, 2000,
            ProducerConfig.BATCH_SIZE_CONFIG, 900_000));
        config.putAll(more);
        return new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
    }

    static void produce(String bootstrap) throws Exception {
        for (String codec : CODECS) {
            try (Producer<byte[], byte[]> producer = producer(bootstrap, codec, Map.of())) {
                for (int i = 0; i <= COUNT; i++) producer.send(sample("java-" + codec, i));
            }
        }
        try (Producer<byte[], byte[]> producer = producer(bootstrap, "lz4", Map.of())) {
            for (int i = 0; i < 5; i++) producer.send(sample("java-append-time", i));
        }
        try (Producer<byte[], byte[]> producer =
                 producer(bootstrap, "none", Map.of(ProducerConfig.TRANSACTIONAL_ID_CONFIG, "sample"))) {
            producer.initTransactions();
            producer.beginTransaction();
            for (int i = 0; i < 3; i++) producer.send(sample("java-transaction", i));
            producer.commitTransaction();
            producer.beginTransaction();
            for (int i = 3; i < 5; i++) producer.send(sample("java-transaction", i));
            producer.flush();
            producer.abortTransaction();
        }
    }

    static void empty(Path file) throws Exception {
        ByteBuffer buffer = ByteBuffer.allocate(1024);
        DefaultRecordBatch.writeEmptyHeader(buffer, RecordBatch.MAGIC_VALUE_V2, 4711L, (short) 3, 17, 100L, 109L, 6,
            TimestampType.CREATE_TIME, TIME, true, false);
        buffer.flip();
        byte[] bytes = new byte[buffer.remaining()];
        buffer.get(bytes);
        Files.write(file, bytes);
    }

    static void read(Path file) throws Exception {
        try (FileRecords records = FileRecords.open(file.toFile(), false)) {
            for (RecordBatch batch : records.batches()) {
                batch.ensureValid();
                System.out.printf("batch %d..%d %s%s%s producer %d/%d/%d max %d%n", batch.baseOffset(), batch.lastOffset(),
                    batch.compressionType().name, batch.isTransactional() ? " transactional" : "",
                    batch.isControlBatch() ? " control" : "",
                    batch.producerId(), batch.producerEpoch(), batch.baseSequence(), batch.maxTimestamp());
                for (org.apache.kafka.common.record.internal.Record record : batch) {
                    StringBuilder headers = new StringBuilder();
                    for (Header header : record.headers()) {
                        headers.append(' ').append(header.key()).append('=').append(sum(header.value() == null ? null : ByteBuffer.wrap(header.value())));
                    }
                    System.out.printf("%d %d %s %s%s%n", record.offset(), record.timestamp(), sum(record.key()), sum(record.value()), headers);
                }
            }
        }
    }

    /** Size and CRC-32 of the bytes. */
    static String sum(ByteBuffer bytes) {
        if (bytes == null) return "-";
        CRC32 crc = new CRC32();
        int size = bytes.remaining();
        crc.update(bytes.duplicate());
        return size + ":" + Long.toHexString(crc.getValue());
    }

    // What Apache Kafka refuses.

    interface Change {
        void apply(ByteBuffer batch);
    }

    static final Map<String, Map<String, String>> REFUSING = new LinkedHashMap<>();

    static {
        REFUSING.put("plain", Map.of());
        REFUSING.put("compacted", Map.of("cleanup.policy", "compact"));
        REFUSING.put("append-time", Map.of("message.timestamp.type", "LogAppendTime"));
        REFUSING.put("narrow", Map.of("message.timestamp.before.max.ms", "1000", "message.timestamp.after.max.ms", "1000"));
        REFUSING.put("small", Map.of("max.message.bytes", "300"));
        REFUSING.put("small-uncompressed", Map.of("max.message.bytes", "300", "compression.type", "uncompressed"));
    }

    static MemoryRecords good(String codec, int count, boolean keys, long time) {
        SimpleRecord[] records = new SimpleRecord[count];
        for (int i = 0; i < count; i++) {
            records[i] = new SimpleRecord(time + i, keys || i % 2 == 0 ? bytes("key") : null, bytes("value value value"),
                new Header[] {new RecordHeader("h", bytes("1"))});
        }
        return MemoryRecords.withRecords(Compression.of(codec).build(), records);
    }

    static byte[] raw(MemoryRecords records) {
        byte[] bytes = new byte[records.sizeInBytes()];
        records.buffer().duplicate().get(bytes);
        return bytes;
    }

    /** The batch after the change, with its CRC made right again. */
    static byte[] changed(byte[] bytes, Change change) {
        ByteBuffer batch = ByteBuffer.wrap(bytes.clone());
        change.apply(batch);
        batch.putInt(17, (int) Crc32C.compute(batch, 21, bytes.length - 21));
        return batch.array();
    }

    static byte[] concat(byte[]... parts) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        for (byte[] part : parts) out.writeBytes(part);
        return out.toByteArray();
    }

    static void refusals(String bootstrap) throws Exception {
        List<NewTopic> topics = new ArrayList<>();
        REFUSING.forEach((name, config) -> topics.add(new NewTopic(name, 1, (short) 1).configs(config)));
        try (Admin admin = admin(bootstrap)) {
            admin.createTopics(topics).all().get();
        }
        Thread.sleep(1000);
        String[] address = bootstrap.split(":");
        try (Socket socket = new Socket(address[0], Integer.parseInt(address[1]))) {
            Sender sender = new Sender(socket);
            sender.send("nothing", "plain", 12, new byte[0]);
            for (String codec : CODECS) {
                byte[] good = raw(good(codec, 3, true, TIME));
                String of = " (" + codec + ")";
                sender.send("good" + of, "plain", 12, good);
                sender.send("two batches" + of, "plain", 12, concat(good, good));
                sender.send("a batch and a part of another" + of, "plain", 12, concat(good, Arrays.copyOf(good, 40)));
                sender.send("a batch and 11 bytes" + of, "plain", 12, concat(good, new byte[11]));
                sender.send("a batch and 12 zeros" + of, "plain", 12, concat(good, new byte[12]));
                sender.send("cut off" + of, "plain", 12, Arrays.copyOf(good, good.length - 1));
                byte[] flipped = good.clone();
                flipped[good.length - 2] ^= 1;
                sender.send("flipped bit" + of, "plain", 12, flipped);
                sender.send("base offset 7" + of, "plain", 12, changed(good, b -> b.putLong(0, 7)));
                sender.send("one record more than there is" + of, "plain", 12,
                    changed(good, b -> b.putInt(23, 3).putInt(57, 4)));
                sender.send("one record fewer than there is" + of, "plain", 12,
                    changed(good, b -> b.putInt(23, 1).putInt(57, 2)));
                sender.send("no records" + of, "plain", 12, changed(good, b -> b.putInt(57, 0)));
                sender.send("negative count" + of, "plain", 12, changed(good, b -> b.putInt(57, -1)));
                sender.send("negative last offset" + of, "plain", 12, changed(good, b -> b.putInt(23, -5)));
                sender.send("count and offsets differ" + of, "plain", 12, changed(good, b -> b.putInt(23, 5)));
                sender.send("control batch" + of, "plain", 12, changed(good, b -> b.putShort(21, (short) (b.getShort(21) | 0x20))));
                sender.send("producer without sequence" + of, "plain", 12, changed(good, b -> b.putLong(43, 5)));
                sender.send("wrong newest time" + of, "plain", 12, changed(good, b -> b.putLong(35, 5)));
                sender.send("append time to append time" + of, "append-time", 12,
                    changed(good, b -> b.putShort(21, (short) (b.getShort(21) | 0x08))));
                sender.send("append time to create time" + of, "plain", 12,
                    changed(good, b -> b.putShort(21, (short) (b.getShort(21) | 0x08))));
                sender.send("two without key" + of, "compacted", 12, raw(good(codec, 4, false, TIME)));
                sender.send("five without key" + of, "compacted", 12, raw(good(codec, 10, false, TIME)));
                sender.send("too old" + of, "narrow", 12, good);
                sender.send("too new" + of, "plain", 12, raw(good(codec, 2, true, 4_000_000_000_000L)));
                sender.send("no time" + of, "narrow", 12, raw(good(codec, 1, true, -1)));
                sender.send("too large" + of, "small", 12, raw(good("none", 30, true, TIME)));
                sender.send("too large uncompressed" + of, "small-uncompressed", 12, raw(good(codec, 30, true, TIME)));
                if (!codec.equals("none")) {
                    sender.send("plain records told to be " + codec, "plain", 12, changed(raw(good("none", 3, true, TIME)),
                        b -> b.putShort(21, (short) CompressionType.forName(codec).id)));
                    sender.send("damaged before it was sent" + of, "plain", 12,
                        changed(good, b -> b.put(good.length - 10, (byte) (b.get(good.length - 10) ^ 0x55))));
                    sender.send("cut before it was sent" + of, "plain", 12, shortened(good, 12));
                }
            }
            byte[] none = raw(good("none", 3, true, TIME));
            sender.send("record size too large", "plain", 12, changed(none, b -> b.put(61, (byte) 0x7e)));
            sender.send("record size negative", "plain", 12, changed(none, b -> b.put(61, (byte) 0x01)));
            sender.send("record size too small", "plain", 12, changed(none, b -> b.put(61, (byte) (b.get(61) - 2))));
            sender.send("wrong inner offsets", "plain", 12, changed(none, b -> b.put(64, (byte) 0x0a)));
            for (int codec = 5; codec <= 7; codec++) {
                short id = (short) codec;
                sender.send("codec " + codec, "plain", 12, changed(none, b -> b.putShort(21, id)));
            }
            for (byte magic : new byte[] {0, 1, 3, -1}) {
                sender.send("magic " + magic, "plain", 12, changed(none, b -> b.put(16, magic)));
            }
            for (int length : new int[] {0, 13, 14, 48, -1, Integer.MAX_VALUE}) {
                sender.send("length " + length, "plain", 12, changed(none, b -> b.putInt(8, length)));
            }
            sender.send("zstd before version 7", "plain", 6, raw(good("zstd", 3, true, TIME)));
            sender.send("gzip before version 7", "plain", 6, raw(good("gzip", 3, true, TIME)));
        }
    }

    static byte[] shortened(byte[] batch, int by) {
        byte[] shorter = Arrays.copyOf(batch, batch.length - by);
        return changed(shorter, b -> b.putInt(8, shorter.length - 12));
    }

    static final class Sender {
        private final DataInputStream in;
        private final DataOutputStream out;
        private int correlation = 0;

        Sender(Socket socket) throws Exception {
            in = new DataInputStream(socket.getInputStream());
            out = new DataOutputStream(socket.getOutputStream());
        }

        void send(String name, String topic, int version, byte[] batch) throws Exception {
            ProduceRequestData.TopicProduceDataCollection data = new ProduceRequestData.TopicProduceDataCollection();
            data.add(new ProduceRequestData.TopicProduceData().setName(topic).setPartitionData(List.of(
                new ProduceRequestData.PartitionProduceData().setIndex(0)
                    .setRecords(MemoryRecords.readableRecords(ByteBuffer.wrap(batch))))));
            ProduceRequestData request =
                new ProduceRequestData().setAcks((short) -1).setTimeoutMs(10_000).setTopicData(data);
            RequestHeader header = new RequestHeader(ApiKeys.PRODUCE, (short) version, "refusals", ++correlation);
            ByteBuffer frame = RequestUtils.serialize(header.data(), header.headerVersion(), request, (short) version);
            out.writeInt(frame.remaining());
            out.write(frame.array(), frame.arrayOffset() + frame.position(), frame.remaining());
            out.flush();
            byte[] answer = new byte[in.readInt()];
            in.readFully(answer);
            ByteBuffer buffer = ByteBuffer.wrap(answer);
            ByteBufferAccessor accessor = new ByteBufferAccessor(buffer);
            new org.apache.kafka.common.message.ResponseHeaderData(accessor, ApiKeys.PRODUCE.responseHeaderVersion((short) version));
            ProduceResponseData.PartitionProduceResponse partition =
                new ProduceResponseData(accessor, (short) version).responses().iterator().next().partitionResponses().get(0);
            List<String> errors = new ArrayList<>();
            for (ProduceResponseData.BatchIndexAndErrorMessage error : partition.recordErrors()) {
                errors.add(error.batchIndex() + "=" + error.batchIndexErrorMessage());
            }
            System.out.println(String.join("\t", name, topic, Integer.toString(version),
                Integer.toString(partition.errorCode()), String.valueOf(partition.errorMessage()),
                errors.isEmpty() ? "-" : String.join(";", errors), HexFormat.of().formatHex(batch)));
        }
    }
}
