package interop;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Replays traces against a real library under a virtual clock: the argument says which, by its profile.
 *
 * <p>A request is one line of JSON on standard input, {@code {"trace": PATH, "settings": {...}}}; the answer is one line
 * for each call and a last one with the state and the counters, as {@code madang breaker simulate --json} prints them.
 * Settings have the library's own names in snake case, and durations with a unit.
 */
public final class Driver {
    private static final ObjectMapper JSON = new ObjectMapper();

    public static void main(String[] arguments) throws Exception {
        Product product = VirtualLoader.product(switch (arguments[0]) {
            case "resilience4j" -> "interop.Resilience4j";
            case "hystrix" -> "interop.HystrixCommands";
            case "hystrix-master" -> "interop.HystrixMaster";
            default -> throw new IllegalArgumentException(arguments[0]);
        });
        // What a library itself prints must not come between the answers.
        PrintStream answers = System.out;
        System.setOut(System.err);
        var requests = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = requests.readLine()) != null; ) {
            JsonNode request = JSON.readTree(line);
            var text = new StringBuilder();
            replay(product, Path.of(request.get("trace").asText()), request.get("settings"), text);
            answers.print(text);
            answers.flush();
        }
        System.exit(0);
    }

    private static void replay(Product product, Path trace, JsonNode settings, StringBuilder answers) throws Exception {
        Product.Circuit circuit = product.circuit(settings);
        var admitted = new LinkedHashMap<Long, Boolean>();
        long t = 0;
        for (String line : Files.readAllLines(trace)) {
            JsonNode event = JSON.readTree(line);
            t = event.get("t").asLong();
            long id = event.get("id").asLong();
            circuit.advance(t);
            if (event.get("ev").asText().equals("call")) {
                admitted.put(id, circuit.enter(id));
                var answer = answer("t", t, "id", id, "admitted", admitted.get(id), "state", circuit.state());
                answers.append(JSON.writeValueAsString(answer)).append('\n');
            } else if (admitted.get(id)) {
                circuit.end(id, event.get("outcome").asText(), event.get("duration").asLong());
            }
        }
        circuit.advance(t);
        var last = answer("t", t, "final", true, "state", circuit.state(), "counters", circuit.counters());
        answers.append(JSON.writeValueAsString(last)).append('\n');
    }

    /** Names and values in turn, as an object in this order. */
    static Map<String, Object> answer(Object... entries) {
        var object = new LinkedHashMap<String, Object>();
        for (int at = 0; at < entries.length; at += 2) {
            object.put((String) entries[at], entries[at + 1]);
        }
        return object;
    }
}
