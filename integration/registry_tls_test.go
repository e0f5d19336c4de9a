package integration

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// authority is a certificate authority of the test's own.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  string
}

func newAuthority(t testing.TB) authority {
	t.Helper()
	a := authority{cert: &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "tests"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}}
	a.pem, a.key = a.sign(t, a.cert)
	return a
}

// sign returns a new key and its certificate, as PEM.
func (a authority) sign(t testing.TB, c *x509.Certificate) (string, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer := a.key
	if signer == nil {
		signer = key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), key
}

// startTLSRegistry starts a registry that shows a certificate which ends in left.
func startTLSRegistry(t testing.TB, a authority, left time.Duration, more string) *Registry {
	t.Helper()
	cert, key := a.sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "registry"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(left),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"cert.pem": cert, "key.pem": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return startRegistry(t, fmt.Sprintf("  tls:\n    certificate: %s/cert.pem\n    key: %s/key.pem\n%s", dir, dir, more))
}

// strict makes the Env's commands check a registry on the loopback interface as
// they do any other.
func (e *Env) strict(t testing.TB, r *Registry) {
	e.config(t, "registries.conf", fmt.Sprintf("[[registry]]\nlocation=%q\ninsecure=false\n", r.Addr))
}

// trust puts an authority where Podman and rl look for those of one registry.
func (e *Env) trust(t testing.TB, a authority, r *Registry) {
	e.config(t, "policy.json", `{"default":[{"type":"insecureAcceptAnything"}]}`) // makes the folder
	dir := filepath.Join(e.Home, ".config/containers/certs.d")
	for _, d := range []string{dir, filepath.Join(dir, r.Addr)} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
		e.own(t, d)
	}
	e.File(t, ".config/containers/certs.d/"+r.Addr+"/ca.crt", a.pem)
}

// A registry with TLS is taken for what its certificate says: unknown, known, or
// known but out of date.
func TestRegistryTLS(t *testing.T) {
	Need(t, DockerRegistry)
	a := newAuthority(t)
	good, old := startTLSRegistry(t, a, time.Hour, ""), startTLSRegistry(t, a, -time.Hour, "")
	eachFresh(t, func(t *testing.T, e *Env) {
		if err := e.Preload(); err != nil {
			t.Fatal(err)
		}
		name, late := good.Addr+"/app:1", old.Addr+"/app:1"
		e.OK(t, "tag", Image, name)
		e.OK(t, "tag", Image, late)
		e.strict(t, good)
		e.Run(t, "push", name).Exits(t, 1).Says(t, "certificate", good.Addr)
		e.Run(t, "pull", name).Exits(t, 1).Says(t, "certificate", good.Addr)
		e.trust(t, a, good)
		e.OK(t, "push", "-q", name)
		e.OK(t, "rmi", name)
		e.Want(t, name, "pull", "-q", name)
		e.strict(t, old)
		e.trust(t, a, old)
		e.Run(t, "push", late).Exits(t, 1).Says(t, "expired", old.Addr)
	})
}

// Plain HTTP is not spoken with a registry for which registries.conf does not
// allow it.
func TestRegistryPlainHTTP(t *testing.T) {
	Need(t, DockerRegistry)
	registry := StartRegistry(t)
	e := Fresh(t, Ordinary)
	if err := e.Preload(); err != nil {
		t.Fatal(err)
	}
	name := registry.Addr + "/app:1"
	e.OK(t, "tag", Image, name)
	e.strict(t, registry)
	e.Run(t, "push", name).Exits(t, 1).Says(t, "insecure", registry.Addr)
	e.Run(t, "pull", name).Exits(t, 1).Says(t, "insecure", registry.Addr)
	e.insecure(t, registry)
	e.OK(t, "push", "-q", name)
}

// A login may be kept by a program, in the file that Podman made, or nowhere for
// longer than a command.
func TestLoginOverTLS(t *testing.T) {
	Need(t, DockerRegistry)
	file := filepath.Join(t.TempDir(), "passwords")
	if err := os.WriteFile(file, []byte(passwords), 0o600); err != nil {
		t.Fatal(err)
	}
	a := newAuthority(t)
	registry := startTLSRegistry(t, a, time.Hour, "auth:\n  htpasswd:\n    realm: tests\n    path: "+file+"\n")
	eachFresh(t, func(t *testing.T, e *Env) {
		if err := e.Preload(); err != nil {
			t.Fatal(err)
		}
		e.strict(t, registry)
		e.trust(t, a, registry)
		name := registry.Addr + "/private:1"
		e.OK(t, "tag", Image, name)
		e.Run(t, "push", name).Exits(t, 1).Says(t, "rl login")
		bin := e.Folder(t)
		helper := filepath.Join(bin, "docker-credential-box")
		script := "#!/bin/sh\ncase $1 in store) cat >$HOME/box;; get) cat $HOME/box 2>/dev/null || { echo credentials not found in native keychain; exit 1; };; erase) rm -f $HOME/box;; esac\n"
		if err := os.WriteFile(helper, []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
		path := "PATH=" + bin + ":" + os.Getenv("PATH")
		docker := filepath.Join(e.Home, ".docker")
		if err := os.Mkdir(docker, 0o700); err != nil {
			t.Fatal(err)
		}
		e.own(t, docker)
		e.File(t, ".docker/config.json", `{"credsStore":"box"}`)
		e.Cmd("login", "-u", "me", "--password-stdin", registry.Addr).Input("secret").Set(path).Run(t).OK(t)
		e.Cmd("push", "-q", name).Set(path).Run(t).OK(t)
		e.Cmd("push", "-q", name).Run(t).Says(t, "docker-credential-box")
		e.Cmd("logout", registry.Addr).Set(path).Run(t).OK(t)
		if r := e.Cmd("push", name).Set(path).Run(t); r.Code != 1 {
			t.Errorf("pushed after the logout: %s", r)
		}
		// Podman's file.
		e.File(t, "auth.json", fmt.Sprintf(`{"auths":{%q:{"auth":"bWU6c2VjcmV0"}}}`, registry.Addr))
		e.Cmd("push", "-q", name).Set("REGISTRY_AUTH_FILE=" + filepath.Join(e.Home, "auth.json")).Run(t).OK(t)
	})
}
