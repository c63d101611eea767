/** picocli as it is published, compiled for the Java that runs it. */
module info.picocli {
    requires static java.sql;

    exports picocli;
}
