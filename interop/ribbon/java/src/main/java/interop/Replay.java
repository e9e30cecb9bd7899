package interop;

import com.netflix.client.config.DefaultClientConfigImpl;
import com.netflix.client.config.IClientConfig;
import com.netflix.config.ConfigurationManager;
import com.netflix.loadbalancer.AbstractLoadBalancerRule;
import com.netflix.loadbalancer.BaseLoadBalancer;
import com.netflix.loadbalancer.IPing;
import com.netflix.loadbalancer.Inside;
import com.netflix.loadbalancer.RoundRobinRule;
import com.netflix.loadbalancer.Server;
import com.netflix.loadbalancer.ServerStats;
import com.netflix.loadbalancer.WeightedResponseTimeRule;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Plays a script with Ribbon's real balancer and rules and prints what they answer: see interop/README.md. */
public final class Replay {
    private static final String CLIENT = "orders";

    private String scenario = "";
    private final List<String> properties = new ArrayList<>();
    private final List<Server> servers = new ArrayList<>();
    private final Set<Server> down = new HashSet<>();
    private AbstractLoadBalancerRule rule;
    private BaseLoadBalancer balancer;

    public static void main(String[] arguments) throws Exception {
        Replay replay = new Replay();
        for (String line : Files.readAllLines(Path.of(arguments[0]))) {
            String text = line.strip();
            if (!text.isEmpty() && !text.startsWith("#")) {
                replay.step(text.split(" +"));
            }
        }
        System.out.flush();
        System.exit(0); // Ribbon's timers would go on.
    }

    private void step(String[] words) throws Exception {
        switch (words[0]) {
            case "scenario" -> begin(words[1]);
            case "set" -> {
                ConfigurationManager.getConfigInstance().setProperty(words[1], words[2]);
                properties.add(words[1]);
            }
            case "servers" -> serve(words);
            case "up" -> {
                down.remove(server(words));
                ping();
            }
            case "down" -> {
                down.add(server(words));
                ping();
            }
            case "begin" -> repeat(words, () -> stats(words).incrementActiveRequestsCount());
            case "end" -> repeat(words, () -> stats(words).decrementActiveRequestsCount());
            case "fail" -> repeat(words, () -> stats(words).incrementSuccessiveConnectionFailureCount());
            case "clear" -> stats(words).clearSuccessiveConnectionFailureCount();
            case "respond" -> {
                for (int at = 2; at < words.length; at++) {
                    stats(words).noteResponseTime(Double.parseDouble(words[at]));
                }
            }
            case "advance" -> {
                for (Server server : servers) {
                    Inside.advance(balancer.getLoadBalancerStats().getSingleServerStat(server), Long.parseLong(words[1]));
                }
            }
            case "weigh" -> Inside.weigh((WeightedResponseTimeRule) rule);
            case "choose" -> choose(Integer.parseInt(words[1]));
            case "sample" -> sample(Integer.parseInt(words[1]));
            case "tripped" -> say("tripped", Inside.isTrippedAfter(stats(words), Long.parseLong(words[2])));
            case "active" -> say("active", Inside.activeAfter(stats(words), Long.parseLong(words[2])));
            default -> throw new IllegalArgumentException(words[0]);
        }
    }

    private void begin(String name) {
        if (balancer != null) {
            balancer.shutdown();
        }
        properties.forEach(ConfigurationManager.getConfigInstance()::clearProperty);
        properties.clear();
        servers.clear();
        down.clear();
        scenario = name;
    }

    /** Properties are said before: servers come last. */
    private void serve(String[] words) throws Exception {
        for (int at = 1; at < words.length; at++) {
            String[] parts = words[at].split("@");
            Server server = new Server(parts[0]);
            if (parts.length > 1) {
                server.setZone(parts[1]);
            }
            servers.add(server);
        }
        IClientConfig config = DefaultClientConfigImpl.getClientConfigWithDefaultValues(CLIENT);
        String name = config.getOrDefault(com.netflix.client.config.CommonClientConfigKey.NFLoadBalancerRuleClassName);
        rule = (AbstractLoadBalancerRule) Class.forName(name).getDeclaredConstructor().newInstance();
        rule.initWithNiwsConfig(config);
        balancer = new BaseLoadBalancer((IPing) server -> !down.contains(server), new RoundRobinRule());
        balancer.getLoadBalancerStats().initWithNiwsConfig(config);
        balancer.setServersList(new ArrayList<>(servers));
        ping();
        Map<String, List<Server>> zones = new HashMap<>();
        for (Server server : servers) {
            // As DynamicServerListLoadBalancer does.
            zones.computeIfAbsent(server.getZone().toLowerCase(), zone -> new ArrayList<>()).add(server);
        }
        balancer.getLoadBalancerStats().updateZoneServerMapping(new HashMap<>(zones));
        balancer.setRule(rule);
        if (rule instanceof WeightedResponseTimeRule weighted) {
            Inside.stopTimer(weighted);
        }
    }

    /** A sweep of pings; the balancer's own may be under way, and then it is tried again. */
    private void ping() {
        List<Server> up = servers.stream().filter(server -> !down.contains(server)).toList();
        do {
            balancer.forceQuickPing();
        } while (!balancer.getReachableServers().equals(up)
                || servers.stream().anyMatch(server -> server.isAlive() == down.contains(server)));
    }

    private void choose(int count) {
        StringBuilder places = new StringBuilder();
        for (int pick = 0; pick < count; pick++) {
            Server server = rule.choose(null);
            places.append(pick == 0 ? "" : " ").append(server == null ? "-" : servers.indexOf(server));
        }
        say("choose", places);
    }

    private void sample(int count) {
        int[] counts = new int[servers.size()];
        for (int pick = 0; pick < count; pick++) {
            counts[servers.indexOf(rule.choose(null))]++;
        }
        StringBuilder text = new StringBuilder();
        for (int at = 0; at < counts.length; at++) {
            text.append(at == 0 ? "" : " ").append(counts[at]);
        }
        say("sample", text);
    }

    private void say(String what, Object answer) {
        System.out.println(scenario + " " + what + ": " + answer);
    }

    private Server server(String[] words) {
        return servers.get(Integer.parseInt(words[1]));
    }

    private ServerStats stats(String[] words) {
        return balancer.getLoadBalancerStats().getSingleServerStat(server(words));
    }

    private void repeat(String[] words, Runnable step) {
        for (int time = 0; time < Integer.parseInt(words[2]); time++) {
            step.run();
        }
    }
}
