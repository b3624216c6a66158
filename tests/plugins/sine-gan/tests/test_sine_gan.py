from ganzoo.testing import contract

test_contract = contract("sine-gan", width=16)
