/* SPDX-License-Identifier: MIT
 * Numbers of a cJSON tree with all their digits. cJSON has doubles, of which it prints 15 digits
 * where it takes the rest for noise: 9007199254740993 becomes 9.00719925474099e+15.
 */
#ifndef LIB_JSON_NUMBERS_H
#define LIB_JSON_NUMBERS_H

#include "lib/bytes.h"

struct cJSON;

/* Turns the numbers that cJSON would print otherwise into raw items (cJSON_Raw) with the text that
 * they have in `text`, of which the tree was parsed. Whole numbers from 16 digits on are among them
 * always, so that equal ones stay equal; `valuedouble` stays. NULL is a tree without numbers;
 * infinity stays as it is. */
void json_numbers_keep(struct cJSON *tree, struct bytes text);

#endif
