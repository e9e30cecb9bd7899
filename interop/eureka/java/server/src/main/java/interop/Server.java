package interop;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.cloud.netflix.eureka.server.EnableEurekaServer;

/**
 * The real Eureka server, as it comes: self-preservation, its 30 s cache of answers, eviction every 60 s.
 *
 * A test that passes here and fails on Madang has found a fault of Madang, not of the test.
 */
@SpringBootApplication
@EnableEurekaServer
public class Server {
    public static void main(String[] arguments) {
        SpringApplication.run(Server.class, arguments);
    }
}
