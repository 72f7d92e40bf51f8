import java.io.PrintStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Runs checks and prints one JSON line for each: {client, check, ok, answer, detail, ms}. An answer
 * holds nothing that may differ between two right brokers (no ids, ports or times), so that it can
 * be compared.
 */
final class Report {
    /** Limits against hangs, not measures of speed. */
    static final long WAIT_MS = 180_000;
    private static final int CHECK_LIMIT_S = 600;

    /** What any client is told to be patient about, on a machine with much else to do. */
    static final Map<String, Object> PATIENT = Map.of("request.timeout.ms", "120000", "default.api.timeout.ms", "180000");

    interface Check {
        String run() throws Exception;
    }

    private final String client;
    private final PrintStream out = System.out;
    private final ExecutorService threads;
    private final List<String> names = new ArrayList<>();
    private final List<Future<?>> checks = new ArrayList<>();
    private final String filter = System.getenv().getOrDefault("CHECK", "");
    private boolean failed;

    Report(String client, int threads) {
        this.client = client;
        this.threads = Executors.newFixedThreadPool(threads, task -> {
            Thread thread = new Thread(task);
            thread.setDaemon(true);
            return thread;
        });
    }

    void check(String name, Check check) {
        if (!name.contains(filter)) return;
        names.add(name);
        checks.add(threads.submit(() -> {
            long start = System.nanoTime();
            boolean ok = true;
            String answer = null;
            String detail = null;
            try {
                answer = check.run();
            } catch (Throwable error) {
                ok = false;
                detail = describe(error);
            }
            line(name, ok, answer, detail, (System.nanoTime() - start) / 1_000_000);
        }));
    }

    /** Waits for every check; returns the exit code. */
    int finish() throws Exception {
        for (int i = 0; i < checks.size(); i++) {
            try {
                checks.get(i).get(CHECK_LIMIT_S, TimeUnit.SECONDS);
            } catch (TimeoutException error) {
                line(names.get(i), false, null, "no end after " + CHECK_LIMIT_S + " s", CHECK_LIMIT_S * 1000L);
            }
        }
        return failed ? 1 : 0;
    }

    private synchronized void line(String name, boolean ok, String answer, String detail, long ms) {
        failed |= !ok;
        out.println("{\"client\":" + json(client) + ",\"check\":" + json(name) + ",\"ok\":" + ok
                + ",\"answer\":" + json(answer) + ",\"detail\":" + json(detail) + ",\"ms\":" + ms + "}");
        out.flush();
    }

    /** The class of an error, through the wrappers that futures put around it. */
    static String errorName(Throwable error) {
        while (error instanceof ExecutionException && error.getCause() != null) error = error.getCause();
        return error.getClass().getSimpleName();
    }

    interface Action {
        void run() throws Exception;
    }

    /** The error that an action ends with, "none" if it ends well. */
    static String errorOf(Action action) {
        try {
            action.run();
            return "none";
        } catch (Throwable error) {
            return errorName(error);
        }
    }

    static void require(boolean condition, String what) {
        if (!condition) throw new AssertionError(what);
    }

    /** Waits until the condition holds, which may be what makes it hold. */
    static void until(String what, java.util.function.BooleanSupplier condition) {
        long end = System.currentTimeMillis() + WAIT_MS;
        while (!condition.getAsBoolean()) require(System.currentTimeMillis() < end, "waited too long until " + what);
    }

    /** As `until`, for a condition that may fail, with a pause between two looks. */
    static void await(String what, Callable<Boolean> condition) throws Exception {
        long end = System.currentTimeMillis() + WAIT_MS;
        while (!condition.call()) {
            require(System.currentTimeMillis() < end, "waited too long until " + what);
            Thread.sleep(20);
        }
    }

    static void requireEqual(Object expected, Object actual, String what) {
        if (!java.util.Objects.equals(expected, actual)) {
            throw new AssertionError(what + ": expected " + expected + ", got " + actual);
        }
    }

    private static String describe(Throwable error) {
        StringBuilder text = new StringBuilder();
        for (Throwable cause = error; cause != null; cause = cause.getCause()) {
            if (text.length() > 0) text.append(" <- ");
            text.append(cause.getClass().getSimpleName()).append(": ").append(cause.getMessage());
            for (StackTraceElement element : cause.getStackTrace()) {
                if (element.getClassName().startsWith("ClientSuite") || element.getClassName().startsWith("ToolSuite")) {
                    text.append(" (").append(element.getFileName()).append(':').append(element.getLineNumber()).append(')');
                    break;
                }
            }
        }
        return text.toString();
    }

    static String json(String text) {
        if (text == null) return "null";
        StringBuilder out = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            switch (c) {
                case '"' -> out.append("\\\"");
                case '\\' -> out.append("\\\\");
                case '\n' -> out.append("\\n");
                case '\r' -> out.append("\\r");
                case '\t' -> out.append("\\t");
                default -> {
                    if (c < 0x20) out.append(String.format("\\u%04x", (int) c));
                    else out.append(c);
                }
            }
        }
        return out.append('"').toString();
    }
}
