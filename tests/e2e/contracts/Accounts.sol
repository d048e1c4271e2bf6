// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Recover} from "./Recover.sol";

// An account that is a contract: its owner's key signs for it (ERC-1271).
contract Wallet {
    address public immutable owner;

    constructor(address owner_) {
        owner = owner_;
    }

    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        return Recover.signer(digest, signature) == owner ? this.isValidSignature.selector : bytes4(0xffffffff);
    }

    function execute(address to, bytes calldata data) external {
        require(msg.sender == owner, "not the owner");
        (bool success,) = to.call(data);
        require(success, "call failed");
    }
}

// An account of two owners, both of whom must sign, and which takes more bytes behind that: any length.
contract Pair {
    address public immutable first;
    address public immutable second;

    constructor(address first_, address second_) {
        first = first_;
        second = second_;
    }

    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        bool good = signature.length >= 130 &&
            Recover.signer(digest, signature[0:65]) == first &&
            Recover.signer(digest, signature[65:130]) == second;
        return good ? this.isValidSignature.selector : bytes4(0xffffffff);
    }

    function execute(address to, bytes calldata data) external {
        require(msg.sender == first, "not the owner");
        (bool success,) = to.call(data);
        require(success, "call failed");
    }
}

// Makes wallets at addresses that are known before (CREATE2).  The same call again finds the wallet.
contract Factory {
    function addressOf(address owner) public view returns (address) {
        bytes32 code = keccak256(abi.encodePacked(type(Wallet).creationCode, abi.encode(owner)));
        return address(uint160(uint256(keccak256(abi.encodePacked(bytes1(0xff), address(this), bytes32(0), code)))));
    }

    function make(address owner) external returns (address) {
        address at = addressOf(owner);
        return at.code.length != 0 ? at : address(new Wallet{salt: 0}(owner));
    }
}

// What an account with a key delegates to (EIP-7702): that key goes on signing for it.
contract Delegate {
    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        return Recover.signer(digest, signature) == address(this) ? this.isValidSignature.selector : bytes4(0xffffffff);
    }
}

// The same, but its key no longer signs.
contract Revoked {
    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
        return 0xffffffff;
    }
}

// Multicall3 as far as it is used here.
contract Multicall3 {
    struct Call3 {
        address target;
        bool allowFailure;
        bytes callData;
    }
    struct Result {
        bool success;
        bytes returnData;
    }

    function aggregate3(Call3[] calldata calls) external payable returns (Result[] memory results) {
        results = new Result[](calls.length);
        for (uint256 i = 0; i < calls.length; i++) {
            (results[i].success, results[i].returnData) = calls[i].target.call(calls[i].callData);
            require(results[i].success || calls[i].allowFailure, "call failed");
        }
    }
}
