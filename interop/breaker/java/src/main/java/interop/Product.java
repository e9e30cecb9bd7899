package interop;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Map;

/** A library under test. */
public interface Product {
    /** A new circuit breaker; its clock is at zero. */
    Circuit circuit(JsonNode settings);

    /** One circuit breaker with its clock. */
    interface Circuit {
        /** Moves the clock to this millisecond and runs what is due until then. */
        void advance(long t);

        /** Asks whether a call may be made. */
        boolean enter(long id);

        /** Ends a call that was let in. */
        void end(long id, String outcome, long duration);

        /** Where it stands; asking changes nothing. */
        String state();

        /** Its numbers, under its own names. */
        Map<String, Object> counters();
    }

    /** A duration in milliseconds, which is how traces' settings are written. */
    static long millis(JsonNode duration) {
        String text = duration.asText();
        return Long.parseLong(text.endsWith("ms") ? text.substring(0, text.length() - 2) : text);
    }
}
