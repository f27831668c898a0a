package natsring

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// checkURL says whether the addresses of external servers can be used, without repeating what may be a secret in them.
func checkURL(urls string) error {
	for i, one := range split(urls) {
		one = strings.TrimSpace(one)
		if strings.Contains(one, ",") {
			return fmt.Errorf("%w: address %d (%s) has a comma in its user or password; write %%2C for it", ErrConfig, i+1, Redact(one))
		}
		if !strings.Contains(one, "://") {
			one = "nats://" + one
		}
		u, err := url.Parse(one)
		switch {
		case err != nil:
			var why *url.Error
			if errors.As(err, &why) {
				err = why.Err
			}
			return fmt.Errorf("%w: address %d (%s) is no URL%s; give nats://host:port", ErrConfig, i+1, Redact(one), unquoted(err))
		case u.Hostname() == "":
			return fmt.Errorf("%w: address %d (%s) has no host; give nats://host:port", ErrConfig, i+1, Redact(one))
		}
	}
	return nil
}

// unquoted is why an address is none, where that does not repeat parts of it.
func unquoted(err error) string {
	if text := err.Error(); !strings.ContainsAny(text, `"`) {
		return ": " + text
	}
	return ""
}

// Redact replaces the user, password or token in the addresses of NATS servers (several with commas), for people and
// logs.
func Redact(urls string) string {
	parts := split(urls)
	for i, one := range parts {
		parts[i] = redactOne(one)
	}
	return strings.Join(parts, ",")
}

// split divides addresses at the commas between them. One may also stand in a password, which NATS does not take: what
// is no address, and has an "@" only behind a comma, is one part.
func split(urls string) (parts []string) {
	rest := strings.Split(urls, ",")
	for i, one := range rest {
		if i+1 < len(rest) && !strings.Contains(one, "@") && strings.Contains(strings.Join(rest[i+1:], ","), "@") && !isAddress(one) {
			rest[i+1] = one + "," + rest[i+1]
			continue
		}
		parts = append(parts, one)
	}
	return parts
}

// isAddress says whether a text can be a whole address without secrets: it has no password in the place of a port.
func isAddress(one string) bool {
	one = strings.TrimSpace(one)
	if !strings.Contains(one, "://") {
		one = "nats://" + one
	}
	u, err := url.Parse(one)
	return err == nil && u.Hostname() != ""
}

func redactOne(one string) string {
	at := strings.LastIndexByte(one, '@')
	if at < 0 {
		return one
	}
	scheme := ""
	if i := strings.Index(one[:at], "://"); i >= 0 {
		scheme = one[:i+3]
	}
	return scheme + "xxxxx" + one[at:]
}

// secretsOf are the parts of the addresses that nobody may read.
func secretsOf(urls string) (secrets []string) {
	for _, one := range split(urls) {
		at := strings.LastIndexByte(one, '@')
		if at < 0 {
			continue
		}
		info := one[:at]
		if i := strings.Index(info, "://"); i >= 0 {
			info = info[i+3:]
		}
		name, password, both := strings.Cut(info, ":")
		if !both { // a token
			password = name
		}
		secrets = append(secrets, info, password)
		if plain, err := url.PathUnescape(password); err == nil {
			secrets = append(secrets, plain)
		}
	}
	return secrets
}

// redacted is an error whose text has no part of an address that is secret.
type redacted struct {
	text string
	err  error
}

func redactError(err error, urls, token string) error {
	text := err.Error()
	for _, s := range append(secretsOf(urls), token) {
		if s != "" {
			text = strings.ReplaceAll(text, s, "xxxxx")
		}
	}
	if text == err.Error() {
		return err
	}
	return redacted{text, err}
}

func (r redacted) Error() string        { return r.text }
func (r redacted) Is(target error) bool { return errors.Is(r.err, target) }
