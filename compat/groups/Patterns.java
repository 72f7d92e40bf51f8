import com.google.re2j.Pattern;
import com.google.re2j.PatternSyntaxException;
import java.util.*;

/**
 * Regular expressions, and what RE2/J makes of them, which Apache Kafka resolves subscriptions with.
 *
 *   java -cp 'JARS/*' compat/groups/Patterns.java [SEED [RANDOM]] > crates/groups/testdata/patterns.txt
 *
 * The first line names topics. Each other line is an expression, a tab, and either one character for each
 * topic, + where the whole name matches, or ! and the reason of the refusal.
 */
public class Patterns {
    static final List<String> TOPICS = List.of(
        "a", "A", "b", "k", "ab", "aab", "abc", "0", "7", "_", "-", ".", "a.b", "a-b", "a_b", "orders", "Orders.v1",
        "__consumer_offsets", "payments-2024.eu", "x9");

    static final List<String> CHOSEN = List.of(
        "orders", "orders.*", ".*", "", "(?i)ORDERS", "payments-[0-9]{4}\\..*", "a)", "(a", "(?<n>a)", "(?P<n>a)(?P<n>b)",
        "(?P<a-b>x)", "(?P<n", "(?)", "(?)a", "(?:)", "(?i-)", "a(?i)*", "a(?i)*B", "(?i)*", "(?i:a)b", "(?i:a)|A(?-i)b", "\\C", "\\Z",
        "\\8", "\\1", "\\07", "\\60", "\\101", "\\1011", "\\x41", "\\x{41}", "\\Qa.b", "\\Qa\\Eb*", "\\Qa.b\\E", "\\Q\\E", "\\Q\\", "[[:foo:]]", "[a-\\d]", "[z-a]", "[", "[]", "[]a]",
        "a{,2}", "a{1001}", "a{2,1}", "a{01}", "a{2}b", "(a{100}){11}", "a**", "a*?*", "a*??", "a{2}{3}", "a{2}?b", "^*", "^*a", "^a$", "a$b", "\\b*", "\\ba\\b", "\\Bb", "a\\Bb",
        "\\pX", "\\p{Greek}", "\\p{^Greek}", "\\p{greek}", "\\P{^Lu}", "\\p{Lu}", "(?i)\\p{Lu}", "[\\pL]+", "[\\PL]", "\\pN{1,2}", "\\pP", "\\p{Pc}", "\\pS", "\\p{Common}", "\\p{Any}",
        "\\p", "\\p{", "\\", "[\\", "[a", "[a-", "[^", "\\x{110000}", "\\x4", "\\x{}", "\\x{D800}", "\\_", "a\\-b", "a\\.b", "\u00e9", "\\\u00e9", "[\u00e9a]", "[^\u00e9]", "[a-\u00e9]",
        "(?x)a", "(?s-i:a)", "(?ii)A", "(?i-i)A", "(?-ii)A", "(?--i)A", "(?i-s-m)a", "(?P=n)", "(?=a)", "(?!a)", "(?<=a)", "x{123456789}", "x{99999999999999}", "\\E", "[\\Q]\\E]", "(?", "(?i", "(?-i)a", "a|*", "(*)", "(a|)b", "(|a)b", "a||b", "|",
        "[^]", "[^]a]", "[a-]", "[-a]", "[a-b-c]", "[--a]", "[+--]", "a{2", "{", "}", "]", "a]", "a{1,1000}", "(?:a{1000}){0}", "(?:a{1000})*", "[a&&b]", "[a--b]", "[a[b]]", "[[a]b]", "[[:alpha:]]+", "[[:^alpha:]]", "[:alpha:]", "[[:word:]_.-]+", "[[:alpha:", "[[:", "[[:]", "[[:]a]",
        "\\d", "\\D", "\\w+", "\\W", "\\s", "\\S+", "[\\d.]", "[^\\w]", "[\\W\\d]", "(?i)[a-c]+", "(?i)[^a]", "(?i)[[:upper:]]+", "(?s).+", "(?m)^a$", "(?U)a+", "\\Aa\\z", "a\\za", "\\Aab", "a.b", "a+?b", "(a|b|ab)(c|bcd)?", "((((a))))",
        "\\a", "\\cA", "\\e", "\\G", "\\h", "\\u0061", "\\U", "\\<a\\>", "\\k<n>", "(?>a)", "a++", "a?+", "(?#c)", "(?P>n)", "(?'n'a)", "(?P<>a)", "(?<1>a)", "\\N", "\\R", "\\X", "#a", " a", "a b");

    static final String[] PARTS = {
        "a", "b", "k", "A", "0", "7", "-", "_", "\\.", ".", "\\d", "\\D", "\\w", "\\W", "\\s", "[", "]", "[^", "[a-", "a-z", "0-9", "[[:alpha:]]",
        "[:digit:]", "[:^upper:]", "(", ")", "(?:", "(?i)", "(?i:", "(?-i)", "(?P<n>", "(?<m>", "|", "*", "+", "?", "*?", "{2}", "{1,3}", "{0,}", "{", "}", ",",
        "^", "$", "\\b", "\\B", "\\A", "\\z", "\\Q", "\\E", "\\pL", "\\p{Lu}", "\\PN", "\\", "\\x61", "\\101", "\\-", "&&", ".*", "[a-c]+", "orders", "(a|b)"};

    public static void main(String[] arguments) {
        Random random = new Random(arguments.length > 0 ? Long.parseLong(arguments[0]) : 1);
        int count = arguments.length > 1 ? Integer.parseInt(arguments[1]) : 3000;
        System.out.println(String.join(" ", TOPICS));
        TreeSet<String> expressions = new TreeSet<>(CHOSEN);
        for (int i = 0; i < count; i++) {
            StringBuilder expression = new StringBuilder();
            for (int parts = 1 + random.nextInt(6); parts > 0; parts--) {
                expression.append(PARTS[random.nextInt(PARTS.length)]);
            }
            expressions.add(expression.toString());
        }
        for (String expression : expressions) {
            StringBuilder line = new StringBuilder(expression).append('\t');
            try {
                Pattern pattern = Pattern.compile(expression);
                TOPICS.forEach(topic -> line.append(pattern.matcher(topic).matches() ? '+' : '-'));
            } catch (PatternSyntaxException e) {
                line.append('!').append(e.getDescription());
            }
            System.out.println(line);
        }
    }
}
