package pattern

// meanings say what the events of the ready-made sets tell.
var meanings = map[string]string{
	"ssh-failed":              "a wrong password, key of a host or answer, of any user; one attempt of an unknown user may be an ssh-invalid-user, too",
	"ssh-failed-again":        "an attempt by keyboard-interactive that an ssh-failed (PAM's line) has told of: not to be counted beside it",
	"ssh-invalid-user":        "the host has no such user",
	"ssh-max-attempts":        "as many attempts in one connection as sshd allows (MaxAuthTries)",
	"ssh-not-allowed":         "a user whom AllowUsers, DenyUsers, the groups or PAM refuse (an account that has expired), or root with the right password (PermitRootLogin)",
	"ssh-protocol":            "it speaks no SSH, or none that was agreed on: scanners, and old clients",
	"ssh-timeout":             "it did not log in within LoginGraceTime",
	"ssh-dropped":             "sshd itself penalises the source (PerSourcePenalties)",
	"ssh-preauth":             "it ended the connection before it had logged in: guessers, scanners, and monitors",
	"http-probe":              "it asked for what servers leak (.env, .git/), or in vain for what others are attacked by (wp-login.php)",
	"http-probe-moved":        "it asked for what others are attacked by, and was sent elsewhere (301, 302, 307, 308): scanners, and who keeps such a site by http",
	"http-encoded":            "letters, digits, hyphens or underscores of the path, or the dots of /../, are written as %xx, as no program has to: made to hide what it asked for",
	"wordpress-login":         "WordPress showed its form again (wp-login.php, status 200): a wrong password, or a step before the right one, as of two factors",
	"wordpress-xmlrpc":        "a call of WordPress's xmlrpc.php with status 200, whose answer may be that the password is wrong: guessers, and apps and services of who keeps such a site",
	"http-ambiguous":          "a user with a hyphen between blanks: made to hide a request, or a header that the client wrote stands ahead of it in the log's format",
	"http-auth-failed":        "status 401 with a user, or in error.log a wrong password",
	"http-unauthorized":       "status 401, which is also a browser's first request",
	"http-bad-request":        "status 400",
	"http-forbidden":          "status 403, or 444 (nginx closed the connection without an answer)",
	"http-not-found":          "status 404, which broken links give, too",
	"http-limited":            "status 429",
	"smtp-auth-failed":        "a wrong password in SMTP",
	"smtp-protocol":           "the server cut it off for too many errors or unknown commands",
	"smtp-auth-unavailable":   "a login that failed for a reason of ours: no guess",
	"mail-auth-failed":        "wrong passwords, each of a connection's counted (at most 1,000), in IMAP, POP3, ManageSieve or submission",
	"ftp-auth-failed":         "a wrong password in FTP",
	"tls-failed":              "the TLS handshake failed: scanners, and old clients",
	"vpn-auth-failed":         "a wrong password",
	"vpn-certificate-refused": "a certificate that is not accepted",
	"vpn-tls-failed":          "packets of who has not the key, or a handshake that did not end; over UDP the source may be forged",
}

// Meaning says what an event of the ready-made sets tells; "": it is none of theirs.
func Meaning(event string) string { return meanings[event] }
