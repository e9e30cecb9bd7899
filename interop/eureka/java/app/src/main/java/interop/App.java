package interop;

import java.util.List;
import java.util.Map;

import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.cloud.client.ServiceInstance;
import org.springframework.cloud.client.discovery.DiscoveryClient;
import org.springframework.cloud.client.loadbalancer.LoadBalanced;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.http.MediaType;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.client.RestTemplate;

/** A Spring service that registers by Eureka and calls others by name. What it serves is told in interop/README.md. */
@SpringBootApplication
@RestController
public class App {
    private final String id;
    private final DiscoveryClient discovery;
    private final RestTemplate byName;

    App(@Value("${eureka.instance.instance-id}") String id, DiscoveryClient discovery, RestTemplate byName) {
        this.id = id;
        this.discovery = discovery;
        this.byName = byName;
    }

    @GetMapping("/hello")
    Map<String, String> hello() {
        return Map.of("from", id);
    }

    @GetMapping("/seen/{service}")
    List<String> seen(@PathVariable String service) {
        return discovery.getInstances(service).stream().map(ServiceInstance::getInstanceId).toList();
    }

    @GetMapping(value = "/call/{service}", produces = MediaType.APPLICATION_JSON_VALUE)
    String call(@PathVariable String service) {
        return byName.getForObject("http://{service}/hello", String.class, service);
    }

    @GetMapping(value = "/metrics", produces = MediaType.TEXT_PLAIN_VALUE)
    String metrics() {
        return "interop_client 1\n";
    }

    public static void main(String[] arguments) {
        SpringApplication.run(App.class, arguments);
    }

    @Configuration
    static class ByName {
        @Bean
        @LoadBalanced
        RestTemplate restTemplate() {
            return new RestTemplate();
        }
    }
}
