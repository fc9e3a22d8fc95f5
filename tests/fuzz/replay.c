/* SPDX-License-Identifier: MIT
 * Plays a fuzz target's corpus without libFuzzer: each file of tests/fuzz/corpus/<target>, whole
 * and cut behind every byte, each time in a heap block of its own, so that AddressSanitizer sees a
 * read outside. Arguments name other files or folders.
 *
 * A target is one file tests/fuzz/fuzz_<name>.c with LLVMFuzzerTestOneInput and one name in
 * Makefile.am.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/bytes.h"

enum { INPUT_BYTES_MAX = 1048576, CUTS_MAX = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
try_copy(const uint8_t *data, size_t len)
{
	uint8_t *copy = xmalloc(len > 0 ? len : 1);

	if (len > 0)
		memcpy(copy, data, len);
	(void)LLVMFuzzerTestOneInput(copy, len);
	free(copy);
}

static int
replay_file(const char *path)
{
	uint8_t *data = xmalloc(INPUT_BYTES_MAX);
	FILE *file = fopen(path, "rb");
	size_t len;

	if (file == NULL) {
		perror(path);
		free(data);
		return -1;
	}
	len = fread(data, 1, INPUT_BYTES_MAX, file);
	(void)fclose(file);
	try_copy(data, len);
	for (size_t cut = 0; cut < len && cut < CUTS_MAX; cut++)
		try_copy(data, cut);
	free(data);
	return 1;
}

/* The number of files played; -1 where one cannot be read. */
static int
replay_folder(const char *path)
{
	DIR *folder = opendir(path);
	struct dirent *entry;
	int count = 0;

	if (folder == NULL) {
		perror(path);
		return -1;
	}
	while (count >= 0 && (entry = readdir(folder)) != NULL) {
		char name[4096];

		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		count = replay_file(name) < 0 ? -1 : count + 1;
	}
	(void)closedir(folder);
	return count;
}

static int
replay(const char *path)
{
	struct stat status;

	if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
		return replay_folder(path);
	return replay_file(path);
}

/* "tests/fuzz/fuzz_mqtt" plays $srcdir/tests/fuzz/corpus/mqtt. */
static int
replay_own(const char *program)
{
	const char *top = getenv("srcdir"), *name = strstr(program, "fuzz_");
	char path[4096];

	if (name == NULL)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/%s", top != NULL ? top : ".",
	    name + strlen("fuzz_"));
	return replay(path);
}

int
main(int argc, char **argv)
{
	int count = 0, bad = 0;

	if (argc == 1)
		count = replay_own(argv[0]);
	for (int i = 1; i < argc && !bad; i++) {
		int more = replay(argv[i]);

		bad = more < 0;
		count += more;
	}
	(void)printf("%d inputs\n", count);
	return bad || count <= 0;
}
