import com.sun.net.httpserver.HttpServer;
import java.math.BigInteger;
import java.net.InetSocketAddress;

/** Multiplies the numbers up to another: GET /NUMBER. */
public class Server {
    public static void main(String[] arguments) throws Exception {
        HttpServer server = HttpServer.create(new InetSocketAddress(8000), 0);
        server.createContext("/", exchange -> {
            BigInteger product = BigInteger.ONE;
            int last = Integer.parseInt(exchange.getRequestURI().getPath().substring(1));
            for (int factor = 2; factor <= last; factor++) {
                product = product.multiply(BigInteger.valueOf(factor));
            }
            byte[] body = (product + "\n").getBytes();
            exchange.sendResponseHeaders(200, body.length);
            exchange.getResponseBody().write(body);
            exchange.close();
        });
        server.start();
    }
}
