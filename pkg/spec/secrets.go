package spec

import (
	"fmt"
	"net/url"
	"sort"
	"strings"
)

// A command that is not trusted gets no tokens: whatever of the caller's environment looks like a secret stays behind, by
// its name or by its value. The names are told, and -e NAME passes one.

// secretWords are words between underscores that make a variable a secret, whatever else its name says.
const secretWords = `TOKEN TOKENS SECRET SECRETS PASSWORD PASSWORDS PASSWD PASSPHRASE PASSPHRASES PASS PWD PW CREDENTIAL CREDENTIALS CREDS CRED
	PAT DSN AUTHTOKEN APITOKEN APIKEY APIKEYS APISECRET ACCESSKEY ACCESSTOKEN SECRETKEY PRIVATEKEY PRIVKEY AUTHKEY COOKIE COOKIES JWT BEARER TOTP WEBHOOK MNEMONIC`

// keyWords make KEY a secret when they stand before it: API_KEY, AWS_SECRET_ACCESS_KEY.
const keyWords = `API ACCESS PRIVATE SECRET SIGNING ENCRYPTION MASTER AUTH DEPLOY SSH GPG PGP ACCOUNT STORAGE SERVICE LICENSE SESSION SHARED ROOT CLIENT SERVER TLS SSL HMAC
	VAULT SUBSCRIPTION APP APPLICATION ADMIN AES RSA AGE WALLET FERNET`

// secretNames are variables of clouds, CI systems, package registries and tools whose names have no such word, and
// addresses that hand out tokens to whoever asks.
const secretNames = `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI AWS_CONTAINER_CREDENTIALS_FULL_URI AZURE_STORAGE_CONNECTION_STRING MSI_ENDPOINT IDENTITY_ENDPOINT IDENTITY_HEADER
	ACTIONS_ID_TOKEN_REQUEST_URL ACTIONS_RUNTIME_URL ACTIONS_CACHE_URL ACTIONS_RESULTS_URL SYSTEM_ACCESSTOKEN DOCKER_AUTH_CONFIG BUILDAH_REGISTRY_AUTH REGISTRY_AUTH CONSUL_HTTP_AUTH BASIC_AUTH
	NPM_CONFIG__AUTH NPM_AUTH YARN_NPM_AUTH_IDENT COMPOSER_AUTH GOAUTH VSS_NUGET_EXTERNAL_FEED_ENDPOINTS ORG_GRADLE_PROJECT_SIGNINGKEY SENTRY_AUTH
	MYSQL_PWD REDISCLI_AUTH PGPASSWORD SQLCMDPASSWORD LDAP_BINDPW SSHPASS BW_SESSION GIT_CREDENTIALS`

// secretPrefixes begin the names of whole families.
var secretPrefixes = []string{"NPM_CONFIG_//", "POETRY_HTTP_BASIC_", "OP_SESSION_"}

// workdirs have a word of the above and are directories.
const workdirs = `PWD OLDPWD`

// secret says whether a variable of the caller's is one.
func secret(name, value string) bool {
	upper := strings.ToUpper(name)
	switch {
	case value == "" || oneOf(name, workdirs):
		return false
	case oneOf(upper, secretNames), secretURL(value), secretValue(value):
		return true
	case strings.HasPrefix(upper, "BUNDLE_") && strings.Contains(upper, "__"): // Bundler's name for a host's credentials: BUNDLE_GEMS__EXAMPLE__COM
		return true
	}
	for _, p := range secretPrefixes {
		if strings.HasPrefix(upper, p) {
			return true
		}
	}
	access := false
	words := strings.FieldsFunc(upper, func(r rune) bool { return strings.ContainsRune("_.-/:", r) })
	for _, word := range words {
		switch {
		case oneOf(word, secretWords), endsSecret(word):
			return true
		case access && oneOf(word, "KEY KEYS KEYFILE"):
			return true
		case word == "PUBLIC":
			access = false
		default:
			access = access || oneOf(word, keyWords)
		}
	}
	return keyOf(words) && random(value)
}

// keyOf says whether a name is that of a key to something: OPENAI_KEY, not CACHE_KEY.
func keyOf(words []string) bool {
	n := len(words)
	return n > 1 && words[n-1] == "KEY" && !oneOf(words[n-2], "PUBLIC CACHE PRIMARY SORT FOREIGN HOST ROUTING PARTITION GROUP INDEX")
}

// random says whether a value is a long word with digits in it, as tokens are.
func random(value string) bool {
	const letters, digits = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"
	return len(value) >= 20 && strings.Trim(value, letters+digits+"_-") == "" && strings.ContainsAny(value, letters) && strings.ContainsAny(value, digits)
}

// endsSecret knows words that are written together: GITHUBTOKEN, ADMINPASSWORD.
func endsSecret(word string) bool {
	for _, end := range []string{"TOKEN", "PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "APIKEY", "CREDENTIALS"} {
		if strings.HasSuffix(word, end) {
			return true
		}
	}
	return false
}

// secretURL says whether a value has a URL with a password in it, alone or in a list: proxies, databases, package indexes.
func secretURL(value string) bool {
	for _, word := range strings.FieldsFunc(value, func(r rune) bool {
		return r == ' ' || r == ',' || r == ';' || r == '|' || r == '\n' || r == '"' || r == '\''
	}) {
		scheme, rest, ok := strings.Cut(word, "://")
		if !ok || scheme == "" {
			continue
		}
		authority := rest
		if i := strings.IndexAny(rest, "/?#"); i >= 0 {
			// A password with such a character in it, which nobody has escaped, begins like a port that is no number.
			_, port, _ := strings.Cut(rest[:i], ":")
			if strings.Trim(port, "0123456789") == "" || !strings.Contains(rest[i:], "@") {
				authority = rest[:i]
			}
		}
		at := strings.LastIndexByte(authority, '@')
		if at < 0 {
			if u, err := url.Parse(word); err == nil && secretQuery(u.Query()) {
				return true
			}
			continue
		}
		user, password, has := strings.Cut(authority[:at], ":")
		if has && password != "" || tokenLike(user) {
			return true
		}
	}
	return false
}

func secretQuery(q url.Values) bool {
	for key := range q {
		if oneOf(strings.ToUpper(key), "PASSWORD TOKEN ACCESS_TOKEN API_KEY APIKEY SIG SECRET PASSWD") && q.Get(key) != "" {
			return true
		}
	}
	return false
}

// secretValue knows tokens by how they begin, whatever variable they are in.
func secretValue(value string) bool {
	lower := strings.ToLower(value)
	for _, part := range []string{"authorization: ", "authorization:basic", "authorization:bearer", ";password=", ";pwd=", "hooks.slack.com/services/", "discord.com/api/webhooks/"} {
		if strings.Contains(lower, part) {
			return true
		}
	}
	if strings.HasPrefix(lower, "bearer ") || strings.HasPrefix(lower, "basic ") && len(lower) > 20 || strings.HasPrefix(lower, "password=") {
		return true
	}
	return tokenLike(value) || strings.Contains(value, "-----BEGIN ") && strings.Contains(value, "PRIVATE KEY")
}

// tokenStarts are what the tokens of well-known services begin with.
var tokenStarts = []string{"ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "gldt-", "glrt-", "npm_", "pypi-", "xoxb-", "xoxp-", "xoxa-", "xapp-", "sk-ant-", "sk-proj-", "sk_live_", "rk_live_",
	"AKIA", "ASIA", "dckr_pat_", "hf_", "hvs.", "dop_v1_", "shpat_", "AIzaSy", "ya29.", "eyJhbGciOi", "AGE-SECRET-KEY-", "rubygems_", "lin_api_", "figd_",
	"sk-", "gsk_", "xai-", "tskey-", "sntrys_", "sntryu_", "glsa_", "glc_", "SG.", "nvapi-", "sbp_", "ATATT", "dp.pt.", "dp.st.", "r8_", "pscale_", "whsec_", "shpss_"}

// tokenLike says whether a value is one: such a start, and behind it a random word and nothing else.
func tokenLike(value string) bool {
	for _, p := range tokenStarts {
		if rest, ok := strings.CutPrefix(value, p); ok && len(rest) >= 16 && strings.ContainsAny(rest, "0123456789") {
			return strings.Trim(rest, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.=+") == ""
		}
	}
	return false
}

// passed decides which of the caller's variables the command gets (--env-pass), and tells what it does not.
type passed struct {
	all, none bool
	names     map[string]bool // passed though they are secrets; with none, nothing else is
}

// parseEnvPass reads all, default, none or names, which may end in *.
func parseEnvPass(values []string) (passed, error) {
	p := passed{names: map[string]bool{}}
	for _, v := range splitAll(values) {
		switch v = strings.TrimSpace(v); v {
		case "all":
			p.all = true
		case "none":
			p.none = true
		case "default":
		case "":
			return p, fmt.Errorf("--env-pass: want all, default, none or names of variables")
		default:
			if strings.ContainsAny(v, "= \t") {
				return p, fmt.Errorf("--env-pass %q: want all, default, none or names of variables", v)
			}
			p.names[v] = true
		}
	}
	if p.all && p.none {
		return p, fmt.Errorf("--env-pass: all and none say the opposite")
	}
	return p, nil
}

func (p *passed) named(name string) bool {
	if p.names[name] {
		return true
	}
	for pattern := range p.names {
		if prefix, ok := strings.CutSuffix(pattern, "*"); ok && strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// keepSecrets takes the secrets out of the caller's environment and tells their names.
func (b *builder) keepSecrets(env []string) []string {
	var kept, told []string
	header := gitHeader(env)
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		switch {
		case b.pass.named(name) || b.pass.all:
		case b.pass.none && !oneOf(name, "PATH HOME USER LOGNAME SHELL TERM LANG PWD TZ container"):
			continue
		case secret(name, value) || header && strings.HasPrefix(name, "GIT_CONFIG_"):
			if !b.setByFlag(name) {
				told = append(told, name)
			}
			continue
		}
		kept = append(kept, e)
	}
	if len(told) > 0 {
		sort.Strings(told)
		b.notice("env-not-passed", "not passed to the command, for they look like secrets: %s; -e NAME passes one, --env-pass=all passes all", strings.Join(shorten(told, 12), " "))
	}
	return kept
}

// gitHeader says whether git is told in its environment to send a header that lets it in, as CI systems do it
// (git-config(1), GIT_CONFIG_COUNT and GIT_CONFIG_PARAMETERS). One of the variables alone would be an error.
func gitHeader(env []string) bool {
	for _, e := range env {
		if strings.HasPrefix(e, "GIT_CONFIG_") && strings.Contains(strings.ToLower(e), "authorization:") {
			return true
		}
	}
	return false
}

// setByFlag says whether -e says what the variable is to be.
func (b *builder) setByFlag(name string) bool {
	for _, e := range b.wish.Env {
		flag, _, _ := strings.Cut(e, "=")
		if prefix, ok := strings.CutSuffix(flag, "*"); flag == name || ok && strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

func shorten(list []string, most int) []string {
	if len(list) <= most {
		return list
	}
	return append(list[:most:most], fmt.Sprintf("and %d more", len(list)-most))
}
