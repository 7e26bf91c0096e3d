/** A program whose heap grows, or only works: java Grow.java leak|work. */
public class Grow {
    static java.util.ArrayList<byte[]> kept = new java.util.ArrayList<>();

    public static void main(String[] words) throws Exception {
        boolean leak = words[0].equals("leak");
        while (true) {
            for (int i = 0; i < 40; i++) {
                byte[] block = new byte[10000];
                if (leak) kept.add(block);
            }
            Thread.sleep(500);
        }
    }
}
