import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Scanner;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;

/** Makes ACLs, one a line: PERMISSION PRINCIPAL OPERATION TYPE NAME. The jars of the broker have no tool for it. */
public class Acls {
    public static void main(String[] args) throws Exception {
        List<AclBinding> bindings = new ArrayList<>();
        try (Scanner lines = new Scanner(System.in)) {
            while (lines.hasNextLine()) {
                String[] words = lines.nextLine().split(" ");
                ResourceType type = ResourceType.valueOf(words[3]);
                bindings.add(new AclBinding(
                        new ResourcePattern(type, words[4], PatternType.LITERAL),
                        new AccessControlEntry(words[1], "*", AclOperation.valueOf(words[2]), AclPermissionType.valueOf(words[0]))));
            }
        }
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", args[0]))) {
            admin.createAcls(bindings).all().get();
        }
    }
}
