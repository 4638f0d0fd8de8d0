/* 7.29: what of a connection string is shown, however it is misspelt. */
#include "config.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/conf/conninfo.h"

static const char *shown(const char *conninfo)
{
	static char text[2][400];
	static unsigned turn;
	AUTO(buf) struct buf b;

	buf_init(&b, 0);
	conninfo_show(conninfo, &b);
	turn ^= 1;
	snprintf(text[turn], sizeof(text[turn]), "%s", buf_str(&b));
	return text[turn];
}

static enum conninfo_fault fault(const char *conninfo, char why[400])
{
	AUTO(buf) struct buf b;
	enum conninfo_fault f;

	buf_init(&b, 0);
	f = conninfo_fault(conninfo, &b);
	snprintf(why, 400, "%s", buf_str(&b));
	return f;
}

Test(conninfo, shows_what_is_plain)
{
	static const struct {
		const char *conninfo, *shown;
	} v[] = {
	    {"", ""},
	    {"service=app", "service=app"},
	    {"host=/run/postgresql user=weir dbname=app port=5433", "host=/run/postgresql user=weir dbname=app port=5433"},
	    {"host = h1,10.0.0.1,fe80::1%eth0,/tmp port=5432,,1 password = x", "host = h1,10.0.0.1,fe80::1%eth0,/tmp port=5432,,1"},
	    {"host='h' dbname = 'app' sslmode=verify-full sslrootcert=/etc/ca.pem connect_timeout=3",
	     "host='h' dbname = 'app' sslmode=verify-full sslrootcert=/etc/ca.pem connect_timeout=3"},
	    {"postgresql://weir:pw@[::1]:5432,h2/app?sslmode=require&sslpassword=x&ssl=true",
	     "postgresql://weir@[::1]:5432,h2/app?sslmode=require&ssl=true"},
	    {"postgresql:///app?host=%2Ftmp&password=x", "postgresql:///app?host=%2Ftmp"},
	    {"postgresql://h?user=weir", "postgresql://h?user=weir"},
	    /* what may be a password in another's place */
	    {"postgresql://weir:PW127.0.0.1/db", "(set)"},
	    {"postgresql://weir:P@W@h/db", "(set)"},
	    {"postgresql://weir:P/W@h/db", "(set)"},
	    {"postgresql://weir:P?W/h", "(set)"},
	    {"postgresql://weir:PW#@@h/db", "(set)"},
	    {"postgresql://weir%3APW@h/db", "(set)"},
	    {"postgresql://weir:PW@[::1/db", "(set)"},
	    {"postgresql://weir@h/db?options=-c%20x%3DPW", "(set)"},
	    {"postgresql://weir@h/db?passwrd=PW", "(set)"},
	    {"postgresql://weir@h/weir:PW", "(set)"},
	    {"postgresql:/weir:PW@h/db", "(set)"},
	    {"Postgresql://weir:PW@h/db", "(set)"},
	    {"host=weir:PW@h port=1", "host=(set) port=1"},
	    {"host=h,weir:PW", "host=(set)"},
	    {"host=@PW", "host=(set)"},
	    {"hostaddr=PW", "hostaddr=(set)"},
	    {"port=PW host=h", "port=(set) host=h"},
	    {"port=123456", "port=(set)"},
	    {"user=weir:PW", "user=(set)"},
	    {"user=weir/PW@h dbname=a%b", "user=(set) dbname=(set)"},
	    {"options='-c x=PW' user=weir", "options=(set) user=weir"},
	    {"user=weirpassword=PW", "user=(set)"},
	    {"sslmode=PW sslcert=PW connect_timeout=PW", "sslmode=(set) sslcert=(set) connect_timeout=(set)"},
	    {"passwrd=PW host=h", "(set)"},
	    {"PASSWORD=PW", "(set)"},
	    {"password=P W", "(set)"},
	    {"password='P'W host=h", "(set)"},
	    {"user=weir password='PW", "(set)"},
	    {"user=weir password=a\\", "user=weir"},
	};

	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		cr_expect_str_eq(shown(v[i].conninfo), v[i].shown, "%s → %s", v[i].conninfo, shown(v[i].conninfo));
}

Test(conninfo, says_what_is_wrong)
{
	static const struct {
		const char *conninfo;
		enum conninfo_fault fault;
		const char *words;
	} v[] = {
	    {"host=h password=x", CONNINFO_FINE, ""},
	    {"host=@abstract port=' 5432 '", CONNINFO_FINE, ""},
	    {"postgresql://u:p@[fe80::1%25eth0]:1/d", CONNINFO_FINE, ""},
	    {"user=a:b@c dbname=x/y", CONNINFO_FINE, ""},
	    {"passwrd=PW", CONNINFO_UNREADABLE, "\"passwrd\" (did you mean 'password'?)"},
	    {"qwertz=PW", CONNINFO_UNREADABLE, "no connection option"},
	    {"PW", CONNINFO_UNREADABLE, "missing \"=\""},
	    {"password='PW", CONNINFO_UNREADABLE, "has no end"},
	    {"postgresql://u:PW@[::1", CONNINFO_UNREADABLE, "matching \"]\""},
	    {"postgresql://u:PW@[]", CONNINFO_UNREADABLE, "empty IPv6"},
	    {"postgresql://u:PW@[::1]x", CONNINFO_UNREADABLE, "between"},
	    {"postgresql://u:PW%zz@h", CONNINFO_UNREADABLE, "encodes nothing"},
	    {"postgresql://u:PW%00@h", CONNINFO_UNREADABLE, "encodes nothing"},
	    {"postgresql://u:PW%4@h", CONNINFO_UNREADABLE, "encodes nothing"},
	    {"postgresql://h/?password", CONNINFO_UNREADABLE, "missing \"=\""},
	    {"postgresql://h/?password=P=W", CONNINFO_UNREADABLE, "two \"=\""},
	    {"host=weir:PW@h", CONNINFO_NO_PLACE, "neither a name"},
	    {"port=PW", CONNINFO_NO_PLACE, "the port"},
	    {"postgresql://u:PW127.0.0.1/d", CONNINFO_NO_PLACE, "is %40"},
	};
	char why[400];

	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		enum conninfo_fault f = fault(v[i].conninfo, why);

		cr_expect_eq(f, v[i].fault, "%s: %d", v[i].conninfo, f);
		cr_expect(strstr(why, v[i].words) && !strstr(why, "PW"), "%s: %s", v[i].conninfo, why);
	}
}

#define PW "Zq9!Xw7y"

static void expect_hidden(const char *conninfo)
{
	char why[400];

	cr_expect(!strstr(shown(conninfo), "Zq9") && !strstr(shown(conninfo), "Xw7"), "%s → %s", conninfo, shown(conninfo));
	(void)fault(conninfo, why);
	cr_expect(!strstr(why, "Zq9") && !strstr(why, "Xw7"), "%s: %s", conninfo, why);
}

/* One byte too many, too few or another one, anywhere. A password that comes out as a plain name in another's place cannot
 * be told from one: so this one holds a '!'. */
Test(conninfo, one_mistake_shows_nothing)
{
	static const char *const good[] = {
	    "postgresql://weir:" PW "@127.0.0.1:5432/db", "postgresql://weir:" PW "@[::1]:1,h/db?sslmode=disable",
	    "postgresql://weir@h/db?password=" PW "&connect_timeout=2", "host=h user=weir password=" PW " dbname=db",
	    "password='" PW "' host=h port=1", "user=weir password = " PW " sslpassword = '" PW " \\'" PW "' port = 1",
	    "postgresql://h?sslpassword=" PW "&options=-c%20x%3D" PW};
	static const char signs[] = "@:/?#[]%&= '\\,.x5";
	char text[200];

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		size_t n = strlen(good[i]);

		expect_hidden(good[i]);
		for (size_t at = 0; at <= n; at++) {
			snprintf(text, sizeof(text), "%.*s%s", (int)at, good[i], good[i] + at + (at < n));
			expect_hidden(text);
			for (const char *c = signs; *c; c++) {
				snprintf(text, sizeof(text), "%.*s%c%s", (int)at, good[i], *c, good[i] + at);
				expect_hidden(text);
				snprintf(text, sizeof(text), "%.*s%c%s", (int)at, good[i], *c, good[i] + at + (at < n));
				expect_hidden(text);
			}
		}
	}
}
