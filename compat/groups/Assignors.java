import java.util.*;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.coordinator.group.api.assignor.*;
import org.apache.kafka.coordinator.group.assignor.*;
import org.apache.kafka.coordinator.group.modern.*;

/**
 * Random histories of consumer groups, and what Apache Kafka's assignors make of each of their rounds.
 *
 *   java -cp 'JARS/*' compat/groups/Assignors.java [SEED [HISTORIES]] > crates/groups/testdata/assignors.txt
 *
 * Members are handed over in the order of their ids, and ids of topics are chosen so that a hash set of
 * them is in their order too: so there is one answer. See crates/groups/testdata/README.md for the format.
 */
public class Assignors {
    static final int TOPICS = 15;
    static Random random;

    /** Topic n; a negative number has the highest bit of its id set. */
    static Uuid topic(int n) {
        return new Uuid(n < 0 ? Long.MIN_VALUE : 0, Math.abs(n));
    }

    static int number(Uuid topic) {
        int n = (int) topic.getLeastSignificantBits();
        return topic.getMostSignificantBits() < 0 ? -n : n;
    }

    static final class Member {
        Optional<String> instance = Optional.empty();
        TreeSet<Integer> topics = new TreeSet<>();
        TreeMap<Uuid, Set<Integer>> owned = new TreeMap<>();
    }

    public static void main(String[] arguments) {
        random = new Random(arguments.length > 0 ? Long.parseLong(arguments[0]) : 1);
        int histories = arguments.length > 1 ? Integer.parseInt(arguments[1]) : 40;
        for (int i = 0; i < histories; i++) {
            history(new UniformAssignor(), true, false);
            history(new UniformAssignor(), false, i % 2 == 0);
            history(new RangeAssignor(), i % 3 == 0, i % 2 == 0);
        }
    }

    static void history(ConsumerGroupPartitionAssignor assignor, boolean homogeneous, boolean wide) {
        System.out.println("history");
        TreeMap<Integer, Integer> topics = new TreeMap<>();
        TreeMap<String, Member> members = new TreeMap<>();
        TreeSet<Integer> all = new TreeSet<>();
        int largest = random.nextInt(4) == 0 ? 40 : 9;
        for (int round = 0; round < 6; round++) {
            if (round == 0 || random.nextInt(3) == 0) change(topics, wide && !homogeneous, largest);
            if (round == 0 || random.nextInt(3) == 0) all = some(topics.keySet(), 4);
            all.retainAll(topics.keySet());
            if (all.isEmpty()) all.add(topics.firstKey());
            int joining = round == 0 ? 1 + random.nextInt(7) : random.nextInt(3);
            for (int i = 0; i < joining; i++) {
                Member member = new Member();
                String id = "m" + (10 + random.nextInt(89));
                if (random.nextInt(4) == 0) member.instance = Optional.of("i" + id);
                member.topics = some(topics.keySet(), 3);
                members.putIfAbsent(id, member);
            }
            if (round > 0) members.keySet().removeIf(id -> members.size() > 1 && random.nextInt(5) == 0);
            for (Member member : members.values()) {
                if (homogeneous) {
                    member.topics = all;
                } else if (random.nextInt(6) == 0) {
                    member.topics = some(topics.keySet(), 4);
                }
                member.topics.retainAll(topics.keySet());
            }
            round(assignor, homogeneous, topics, members);
        }
    }

    /** Topics come, go and grow. */
    static void change(TreeMap<Integer, Integer> topics, boolean wide, int largest) {
        for (int i = 0; i < 4; i++) {
            int n = 1 + random.nextInt(TOPICS);
            if (wide && n % 3 == 0) n = -n;
            topics.merge(n, 1 + random.nextInt(largest), Math::max);
        }
        topics.keySet().removeIf(n -> topics.size() > 1 && random.nextInt(4) == 0);
    }

    static TreeSet<Integer> some(Set<Integer> from, int oneOf) {
        TreeSet<Integer> some = new TreeSet<>(from);
        some.removeIf(n -> random.nextInt(oneOf) == 0);
        return some;
    }

    static void round(ConsumerGroupPartitionAssignor assignor, boolean homogeneous,
                      TreeMap<Integer, Integer> topics, TreeMap<String, Member> members) {
        System.out.println("round " + assignor.name() + (homogeneous ? " homogeneous" : " heterogeneous"));
        StringBuilder line = new StringBuilder("topics");
        topics.forEach((n, partitions) -> line.append(' ').append(n).append(':').append(partitions));
        System.out.println(line);

        TreeMap<String, MemberSubscriptionAndAssignmentImpl> spec = new TreeMap<>();
        Map<Uuid, Map<Integer, String>> owners = new HashMap<>();
        members.forEach((id, member) -> {
            TreeSet<Uuid> subscribed = new TreeSet<>();
            member.topics.forEach(n -> subscribed.add(topic(n)));
            spec.put(id, new MemberSubscriptionAndAssignmentImpl(
                Optional.empty(), member.instance, subscribed,
                new Assignment(Collections.unmodifiableMap(member.owned))));
            member.owned.forEach((topic, partitions) -> partitions.forEach(partition ->
                owners.computeIfAbsent(topic, t -> new HashMap<>()).put(partition, id)));
        });
        GroupAssignment assignment = assignor.assign(
            new GroupSpecImpl(spec, homogeneous ? SubscriptionType.HOMOGENEOUS : SubscriptionType.HETEROGENEOUS, owners),
            new SubscribedTopicDescriber() {
                @Override public int numPartitions(Uuid topic) {
                    return topics.getOrDefault(number(topic), -1);
                }
                @Override public Set<String> racksForPartition(Uuid topic, int partition) {
                    throw new AssertionError("no assignor of 4.3 asks for racks");
                }
            });

        members.forEach((id, member) -> {
            TreeMap<Uuid, Set<Integer>> owned = new TreeMap<>();
            MemberAssignment assigned = assignment.members().get(id);
            if (assigned != null) {
                assigned.partitions().forEach((topic, partitions) -> owned.put(topic, new TreeSet<>(partitions)));
            }
            member.owned = owned;
            StringBuilder out = new StringBuilder("member " + id + " " + member.instance.orElse("-") + " ");
            out.append(member.topics.isEmpty() ? "-" : String.join(",", member.topics.stream().map(String::valueOf).toList()));
            out.append(" =>");
            owned.forEach((topic, partitions) -> out.append(' ').append(number(topic)).append(':')
                .append(String.join(",", partitions.stream().map(String::valueOf).toList())));
            System.out.println(out);
        });
    }
}
