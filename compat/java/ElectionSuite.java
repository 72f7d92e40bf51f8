import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicReference;

import org.apache.kafka.clients.ApiVersions;
import org.apache.kafka.clients.ClientUtils;
import org.apache.kafka.clients.GroupRebalanceConfig;
import org.apache.kafka.clients.Metadata;
import org.apache.kafka.clients.NetworkClient;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.internals.AbstractCoordinator;
import org.apache.kafka.clients.consumer.internals.ConsumerNetworkClient;
import org.apache.kafka.common.internals.ClusterResourceListeners;
import org.apache.kafka.common.message.JoinGroupRequestData.JoinGroupRequestProtocol;
import org.apache.kafka.common.message.JoinGroupRequestData.JoinGroupRequestProtocolCollection;
import org.apache.kafka.common.message.JoinGroupResponseData.JoinGroupResponseMember;
import org.apache.kafka.common.metrics.Metrics;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.utils.LogContext;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.common.utils.Timer;

/**
 * Services that elect a leader among themselves by a group, as Schema Registry does: a protocol type of their own over
 * Kafka's {@link AbstractCoordinator}, in which the group's leader tells all who the master is. No topic, no offsets.
 * Arguments: bootstrap address, topic prefix.
 */
public final class ElectionSuite {
    private static final Duration LIMIT = Duration.ofMillis(Report.WAIT_MS);
    private static String bootstrap;
    private static String prefix;

    public static void main(String[] arguments) throws Exception {
        bootstrap = arguments[0];
        prefix = arguments[1];
        Report report = new Report("java-election", 1);
        report.check("services elect a master, and another when it goes", ElectionSuite::elect);
        System.exit(report.finish());
    }

    private static String elect() throws Exception {
        List<Service> services = new ArrayList<>();
        try {
            for (String name : List.of("a", "b", "c")) {
                services.add(new Service(name));
            }
            // The master is the first by name of those that are there.
            await(services, "a");
            services.remove(0).stop();
            await(services, "b");
            services.remove(0).vanish();
            await(services, "c");
            services.add(0, new Service("a"));
            await(services, "a");
            return "a, b, c, a";
        } finally {
            for (Service service : services) {
                service.stop();
            }
        }
    }

    private static void await(List<Service> services, String master) throws Exception {
        long end = System.nanoTime() + LIMIT.toNanos();
        while (!services.stream().allMatch(it -> master.equals(it.master.get()))) {
            for (Service service : services) {
                if (service.failure.get() != null) {
                    throw new AssertionError("service " + service.name, service.failure.get());
                }
            }
            if (System.nanoTime() > end) {
                throw new AssertionError(master + " is not everybody's master: " + services);
            }
            Thread.sleep(20);
        }
    }

    /** One of the services: a thread that stays in the group, and who it was told the master is. */
    private static final class Service implements Runnable {
        final String name;
        final AtomicReference<String> master = new AtomicReference<>();
        final AtomicReference<Throwable> failure = new AtomicReference<>();
        private final Coordinator coordinator;
        private final ConsumerNetworkClient network;
        private final Thread thread = new Thread(this);
        private volatile boolean running = true;

        Service(String name) {
            this.name = name;
            Time time = Time.SYSTEM;
            LogContext context = new LogContext();
            Metrics metrics = new Metrics();
            ConsumerConfig config = new ConsumerConfig(Map.of(
                "bootstrap.servers", bootstrap, "client.id", name,
                "key.deserializer", ByteArrayDeserializer.class, "value.deserializer", ByteArrayDeserializer.class));
            Metadata metadata = new Metadata(100, 1000, 300_000, context, new ClusterResourceListeners());
            metadata.bootstrap(ClientUtils.parseAndValidateAddresses(config));
            NetworkClient client = ClientUtils.createNetworkClient(
                config, metrics, "election", context, new ApiVersions(), time, 100, metadata, null, null);
            network = new ConsumerNetworkClient(context, client, metadata, time, 100, 30_000, 1000);
            GroupRebalanceConfig group = new GroupRebalanceConfig(
                6000, 10_000, 500, prefix + "services", Optional.empty(), null, 100, 1000);
            coordinator = new Coordinator(group, context, metrics, time);
            thread.start();
        }

        @Override
        public void run() {
            try {
                while (running) {
                    coordinator.poll();
                }
            } catch (Throwable problem) {
                failure.set(problem);
            }
        }

        /** Leaves the group. */
        void stop() throws Exception {
            running = false;
            thread.join();
            coordinator.close();
            network.close();
        }

        /** Goes without a word: the group learns it when the session ends. */
        void vanish() throws Exception {
            running = false;
            thread.join();
            network.close();
        }

        @Override
        public String toString() {
            return name + " follows " + master.get();
        }

        private final class Coordinator extends AbstractCoordinator {
            Coordinator(GroupRebalanceConfig group, LogContext context, Metrics metrics, Time time) {
                super(group, context, Service.this.network, metrics, "election", time);
            }

            void poll() {
                if (ensureCoordinatorReady(time.timer(500))) {
                    ensureActiveGroup();
                    pollHeartbeat(time.milliseconds());
                    network.poll(time.timer(Math.min(100, timeToNextHeartbeat(time.milliseconds()))));
                }
            }

            @Override
            protected String protocolType() {
                return "sr";
            }

            @Override
            protected JoinGroupRequestProtocolCollection metadata() {
                return new JoinGroupRequestProtocolCollection(List.of(new JoinGroupRequestProtocol()
                    .setName("v0").setMetadata(name.getBytes(StandardCharsets.UTF_8))).iterator());
            }

            @Override
            protected boolean onJoinPrepare(Timer timer, int generation, String memberId) {
                master.set(null);
                return true;
            }

            @Override
            protected Map<String, ByteBuffer> onLeaderElected(
                    String leader, String protocol, List<JoinGroupResponseMember> members, boolean skipAssignment) {
                String first = members.stream()
                    .map(it -> new String(it.metadata(), StandardCharsets.UTF_8)).sorted().findFirst().orElseThrow();
                Map<String, ByteBuffer> told = new TreeMap<>();
                members.forEach(it -> told.put(it.memberId(), ByteBuffer.wrap(first.getBytes(StandardCharsets.UTF_8))));
                return told;
            }

            @Override
            protected void onJoinComplete(int generation, String memberId, String protocol, ByteBuffer told) {
                master.set(StandardCharsets.UTF_8.decode(told).toString());
            }
        }
    }
}
