package interop;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.util.Set;

/**
 * Loads a library so that it asks {@link Time} instead of {@link System} what time it is.
 *
 * <p>A class file names every class that it uses once, in its constant pool; the rest refers to that entry by number.
 * Another name there, and all its calls go elsewhere.
 */
final class VirtualLoader extends ClassLoader {
    private static final Set<String> SHARED = Set.of("interop.Product", "interop.Product$Circuit", "interop.Time");
    private static final byte[] SYSTEM = entry("java/lang/System");
    private static final byte[] TIME = entry("interop/Time");

    private VirtualLoader() {
        super(Driver.class.getClassLoader());
    }

    static Product product(String name) throws ReflectiveOperationException {
        return (Product) new VirtualLoader().loadClass(name).getDeclaredConstructor().newInstance();
    }

    @Override
    protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
        synchronized (getClassLoadingLock(name)) {
            boolean ours = (name.startsWith("interop.") && !SHARED.contains(name))
                || name.startsWith("com.netflix.hystrix.") || name.startsWith("io.github.resilience4j.");
            if (!ours) {
                return super.loadClass(name, resolve);
            }
            Class<?> loaded = findLoadedClass(name);
            return loaded != null ? loaded : define(name);
        }
    }

    private Class<?> define(String name) throws ClassNotFoundException {
        URL file = getParent().getResource(name.replace('.', '/') + ".class");
        if (file == null) {
            throw new ClassNotFoundException(name);
        }
        try (var stream = file.openStream()) {
            byte[] code = stream.readAllBytes();
            if (find(entry("currentTimeMillis"), code, 0) >= 0 || find(entry("nanoTime"), code, 0) >= 0) {
                code = replaced(code);
            }
            return defineClass(name, code, 0, code.length);
        } catch (IOException error) {
            throw new ClassNotFoundException(name, error);
        }
    }

    private static byte[] replaced(byte[] code) {
        int at = find(SYSTEM, code, 0);
        if (at < 0) {
            return code;
        }
        var changed = new ByteArrayOutputStream();
        changed.write(code, 0, at);
        changed.writeBytes(TIME);
        changed.write(code, at + SYSTEM.length, code.length - at - SYSTEM.length);
        return changed.toByteArray();
    }

    /** A text as a constant pool has it: the tag 1, the length in two bytes, the text (JVMS 4.4.7). */
    private static byte[] entry(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        byte[] entry = new byte[bytes.length + 3];
        entry[0] = 1;
        entry[1] = (byte) (bytes.length >> 8);
        entry[2] = (byte) bytes.length;
        System.arraycopy(bytes, 0, entry, 3, bytes.length);
        return entry;
    }

    private static int find(byte[] part, byte[] whole, int from) {
        outer:
        for (int at = from; at <= whole.length - part.length; at++) {
            for (int i = 0; i < part.length; i++) {
                if (whole[at + i] != part[i]) {
                    continue outer;
                }
            }
            return at;
        }
        return -1;
    }
}
