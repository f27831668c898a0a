package natsring

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"fmt"

	"github.com/nats-io/nkeys"
)

// nkey is what the embedded servers of a job ask of everybody who connects: proof, by a signature of what the server
// has just drawn, that he knows the job's key. Nothing secret crosses the network. Nil: they let anybody in.
type nkey struct {
	pair   nkeys.KeyPair
	public string
}

// newNKey derives it from the job's key, nil from none.
func newNKey(key []byte) (*nkey, error) {
	if len(key) == 0 {
		return nil, nil
	}
	seed, err := hkdf.Key(sha256.New, key, nil, "ringloom nats servers", ed25519.SeedSize)
	if err != nil {
		return nil, err
	}
	encoded, err := nkeys.EncodeSeed(nkeys.PrefixByteUser, seed)
	if err != nil {
		return nil, fmt.Errorf("the servers' key: %w", err)
	}
	pair, err := nkeys.FromSeed(encoded)
	if err != nil {
		return nil, fmt.Errorf("the servers' key: %w", err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("the servers' key: %w", err)
	}
	return &nkey{pair, public}, nil
}

// answer adds to a CONNECT what proves that the key is known, for the number that the server has drawn.
func (k *nkey) answer(nonce string, connect map[string]any) error {
	if k == nil {
		return nil
	}
	signature, err := k.pair.Sign([]byte(nonce))
	if err != nil {
		return err
	}
	connect["nkey"], connect["sig"] = k.public, base64.RawURLEncoding.EncodeToString(signature)
	return nil
}
