// SPDX-License-Identifier: Apache-2.0
// Import this first: Node 18 has no global `crypto` unless it was asked for, and the x402 client needs one.
import { webcrypto } from 'node:crypto';

globalThis.crypto ??= webcrypto;
