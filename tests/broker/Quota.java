import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;

/** Sets how many bytes a second the clients of a name may write: `java -cp 'LIBS/*' Quota.java BOOTSTRAP CLIENT_ID RATE`. */
public class Quota {
    public static void main(String[] args) throws Exception {
        var clients = new ClientQuotaEntity(Map.of(ClientQuotaEntity.CLIENT_ID, args[1]));
        var rate = new ClientQuotaAlteration.Op("producer_byte_rate", Double.valueOf(args[2]));
        try (var admin = Admin.create(Map.<String, Object>of("bootstrap.servers", args[0]))) {
            admin.alterClientQuotas(List.of(new ClientQuotaAlteration(clients, List.of(rate)))).all().get();
        }
    }
}
