package interop;

import java.util.function.LongSupplier;

/** What {@link VirtualLoader} puts in the place of {@link System} in the libraries' classes that ask for the time. */
public final class Time {
    /** 2026-01-01T00:00:00Z, a whole second. */
    public static final long START = 1_767_225_600_000L;

    /** Milliseconds since the start. */
    public static LongSupplier now = () -> 0;

    public static long currentTimeMillis() {
        return START + now.getAsLong();
    }

    public static long nanoTime() {
        return now.getAsLong() * 1_000_000;
    }

    public static void arraycopy(Object from, int at, Object to, int there, int length) {
        System.arraycopy(from, at, to, there, length);
    }

    public static String getProperty(String name) {
        return System.getProperty(name);
    }
}
