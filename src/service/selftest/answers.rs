//! Known answers, hexadecimal, each with where it comes from. All are public: published, or made for these tests.

/// What the RSA rows sign and seal.
pub(super) const MESSAGE: &[u8] = b"yinxin self-test";
/// GB/T 32907-2016 A.1, RFC 8998 A.1.
pub(super) const SM4_KEY: [u8; 16] = 0x0123_4567_89ab_cdef_fedc_ba98_7654_3210_u128.to_be_bytes();
/// The first block of counters and chains.
pub(super) const SM4_IV: [u8; 16] = 0x0001_0203_0405_0607_0809_0a0b_0c0d_0e0f_u128.to_be_bytes();
/// GB/T 32905-2016 A.1: SM3 of "abc".
pub(super) const SM3_ABC: &str = "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0";
/// SM3 of 1027 octets, (7·i + i / 256) mod 256, by OpenSSL.
pub(super) const SM3_PATTERN: &str = "68820decd0f826c1964a97d3456066e2010719bf18e1852b73d5a501b3730191";
/// SM3 of the digests of 37 messages, the n-th the first 11·n octets of that pattern, by OpenSSL.
pub(super) const SM3_MANY: &str = "2805b89439054551b2147a8f9afbe09c0eaf29240c1ee3ed1c4a7f13e66ebd05";
/// FIPS 180-4, by OpenSSL: SHA-256 of "abc".
pub(super) const SHA256_ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
/// FIPS 180-4, by OpenSSL: SHA-384 of "abc".
pub(super) const SHA384_ABC: &str = "\
    cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7";
/// FIPS 180-4, by OpenSSL: SHA-512 of "abc".
pub(super) const SHA512_ABC: &str = "\
    ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e\
    2a9ac94fa54ca49f";
/// GM/T 0042 D.3, first example.
pub(super) const HMAC_SM3_KEY: &str = "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20";
/// GM/T 0042 D.3, first example.
pub(super) const HMAC_SM3: &str = "ca05e144ed05d1857840d1f318a4a8669e559fc8391f414485bfdf7bb408963a";
/// RFC 4231 4.3.
pub(super) const HMAC_SHA256: &str = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
/// GB/T 32907-2016 A.1: the key encrypted under itself.
pub(super) const SM4_BLOCK: &str = "681edf34d206965e86b3e94f536e4246";
/// SM3 of the 1027 octets after SM4-CTR under SM4_KEY from SM4_IV, by OpenSSL.
pub(super) const SM4_CTR: &str = "ceede814dc547ffe98f60aad4bd852f3c4f9e1171029afb1521c910cd7c131ec";
/// RFC 8998 A.1 and A.2.
pub(super) const AEAD_NONCE: &str = "00001234567800000000abcd";
/// RFC 8998 A.1 and A.2, and the GCM specification, test case 16.
pub(super) const AEAD_AAD: &str = "feedfacedeadbeeffeedfacedeadbeefabaddad2";
/// RFC 8998 A.1 and A.2.
pub(super) const AEAD_PLAINTEXT: &str = "\
    aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccddddddddddddddddeeeeeeeeeeeeeeeeffffffffffffffffeeeeeeeeeeeeeeee\
    aaaaaaaaaaaaaaaa";
/// RFC 8998 A.1: ciphertext and tag; then SM3 of ciphertext and tag of the 1027 octets, associated data their first
/// 37, nonce the first 12 octets of SM4_IV, by OpenSSL.
pub(super) const SM4_GCM: &str = "\
    17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397\
    b4024a2691233b8d83de3541e4c2b58177e065a9bf7b62ec4d44330dd9b3d2377e1719b91f934036c8bb8321654a12e8a1580c884880a548";
/// RFC 8998 A.2: ciphertext and tag.
pub(super) const SM4_CCM: &str = "\
    48af93501fa62adbcd414cce6034d895dda1bf8f132f042098661572e7483094fd12e518ce062c98acee28d95df4416bed31a2f04476c18b\
    b40c84a74b97dc5b16842d4fa186f56ab33256971fa110f4";
/// SM3 of the 1027 octets after SM4-CBC with padding (RFC 5652 6.3) under SM4_KEY from SM4_IV, by OpenSSL.
pub(super) const SM4_CBC: &str = "6dacf7dc066f7ddc675a1c4cd97320dbc5bc3ce2f6148bf23e4d60737a0284d9";
/// The GCM specification (McGrew, Viega), test case 16.
pub(super) const AES_KEY: &str = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";
/// The same.
pub(super) const AES_NONCE: &str = "cafebabefacedbaddecaf888";
/// The same.
pub(super) const AES_PLAINTEXT: &str = "\
    d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657\
    ba637b39";
/// The same: ciphertext and tag.
pub(super) const AES_256_GCM: &str = "\
    522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0a\
    bcc9f66276fc6ece0f4e1768cddf8853bb2d551b";
/// RFC 5869 A.1.
pub(super) const HKDF_SALT: &str = "000102030405060708090a0b0c";
/// RFC 5869 A.1.
pub(super) const HKDF_INFO: &str = "f0f1f2f3f4f5f6f7f8f9";
/// RFC 5869 A.1.
pub(super) const HKDF_SHA256: &str =
    "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865";
/// RFC 5869 A.1 with SM3 in place of SHA-256, by OpenSSL.
pub(super) const HKDF_SM3: &str =
    "c69fe91b7aaee2dd5718d72dcaee0cce93f1b8e41f792da51261b6a517e68b36ed2c595572b01dfa359b";
/// RFC 7914 11: "passwd", "salt", one round, 64 octets.
pub(super) const PBKDF2_SHA256: &str = "\
    55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc49ca9cccf179b645991664b39d77ef317c71b845b1e30bd5\
    09112041d3a19783";
/// "password", "NaCl and more", 1000 rounds, 32 octets, by OpenSSL.
pub(super) const PBKDF2_SM3: &str = "23d6bb3eb72815377163627d9e4afcb563b340bf1cc22a8f8d7c33f05658f9d1";
/// The reference implementation, test.c: 256 KiB, two passes, two lanes, "password", "somesalt".
pub(super) const ARGON2ID: &str = "6d093c501fd5999645e0ea3bf620d7b8be7fd2db59c20d9fff9539da2bf57037";
/// GB/T 32918.5-2017 A.2.
pub(super) const SM2_PRIVATE: &str = "3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8";
/// GB/T 32918.5-2017 A.2.
pub(super) const SM2_PUBLIC: &str = "\
    0409f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e08\
    4a6632f6072da9ad13";
/// GB/T 32918.5-2017 A.2: r‖s over "message digest".
pub(super) const SM2_SIGNATURE: &str = "\
    f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4\
    840b69c485bbc1aa";
/// e of GB/T 32918.5-2017 A.2, and r‖s over it: the nonce is HMAC-SM3 under the private key over the label, e, 32 octets
/// 5a and the counters, reduced mod n.
pub(super) const SM2_SIGNED: &str = "\
    f0b43e94ba45accaace692ed534382eb17e6ab5a19ce7b31f4486fdfc0d2864063e2f32cf61c3a1f0c8f7d5e976dfc7c4258e959d70c9363\
    6fa4a3610156cf43a2bd1565a040444949f0c38e77539fdb0e275aee379eec9b3d82e3c9a76a9225";
/// r‖s over e of GB/T 32918.5-2017 A.2, then over SM3("second"), with nonces of the same rule.
pub(super) const SM2_BATCH: &str = "\
    63e2f32cf61c3a1f0c8f7d5e976dfc7c4258e959d70c93636fa4a3610156cf43a2bd1565a040444949f0c38e77539fdb0e275aee379eec9b\
    3d82e3c9a76a9225e13328fc388e11c0417d04c931e6bda12756c3cb2c526b0ff4531fef2d5969a775726969c1de533b2b0def73adc1ae63\
    424a813b46692e34ec0c90ad7902116a";
/// gmsm issue 560: a key, and its signature over the digest zero; OpenSSL and Tongsuo accept it.
pub(super) const SM2_ZERO_PUBLIC: &str = "\
    04ef4de57af00ae424c00c4caadff7193f804a19dd73a7e2954db9d0d15ab4cbba67728c3f4572878b7a674735da9fde1682fe2d9e0799c4\
    a5cde57e3d473039a2";
/// The same: r‖s.
pub(super) const SM2_ZERO_SIGNATURE: &str = "\
    be0ea64e1ec06f0d247093f3ccbbadcfb6260224272f86ddb78326e7cd6c7560e9f6ab2fcc48a2cef94838e66b5c7e21fd8e4de25990dd98\
    ca5243f4966f2853";
/// GB/T 32918.5-2017 annex A, encryption: the random number k.
pub(super) const SM2_NONCE: &str = "59276e27d506861a16680f3ad9c02dccef3cc1fa3cdbe4ce6d54b80deac1bc21";
/// The same: C1‖C3‖C2 of "encryption standard".
pub(super) const SM2_CIPHERTEXT: &str = "\
    0404ebfc718e8d1798620432268e77feb6415e2ede0e073c0f4f640ecd2e149a73e858f9d81e5430a57b36daab8f950a3c64e6ee6a63094d\
    99283aff767e124df059983c18f809e262923c53aec295d30383b54e39d609d160afcb1908d0bd876621886ca989ca9c7d58087307ca9309\
    2d651efa";
/// GB/T 32918.5-2017 annex A, key exchange: dA.
pub(super) const SM2_EXCHANGE_A: &str = "81eb26e941bb5af16df116495f90695272ae2cd63d6c4ae1678418be48230029";
/// GB/T 32918.5-2017 annex A, key exchange: dB.
pub(super) const SM2_EXCHANGE_B: &str = "785129917d45a9ea5437a59356b82338eaadda6ceb199088f14ae10defa229b5";
/// GB/T 32918.5-2017 annex A, key exchange: rA.
pub(super) const SM2_EXCHANGE_RANDOM_A: &str = "d4de15474db74d06491c440d305e012400990f3e390c7e87153c12db2ea60bb3";
/// GB/T 32918.5-2017 annex A, key exchange: rB.
pub(super) const SM2_EXCHANGE_RANDOM_B: &str = "7e07124814b309489125eaed101113164ebf0f3458c5bd88335c1f9d596243d6";
/// The same: K, then S_B, then S_A.
pub(super) const SM2_EXCHANGED: &str = "\
    6c89347354de2484c60b4ab1fde4c6e5d3a0fe15dee185ceae907a6b595cc32a266ed7b3367e9983a896dc32fa20f8eb18c7894b3816df16\
    cf07b05c5ec0bef5d655d58f779cc1b400a4f3884644db88";
/// An RSA key of 2048 bits that signs nothing but these tests: RSAPrivateKey, DER.
pub(super) const RSA_KEY: &str = "\
    308204a202010002820101009987e8d9bec2ef871400e2bbd4142f2bab5a22bd44bb5df1bb556208a38a8e9df9dad7bb010ca9bb1b7f9817\
    1c843522a298bf45748292d59d24ca2efb18bf5e49df85c1c70bdba759aeca684cdf709ce95abe3187dd8fd148635fbc6c65dd3860c9ac4d\
    6341e350bf4f2c338ea2b110e70f08167aff4f48077bb8a0bde3379843e4ce7b2679b639994973cf28a7dfa758281da91b81c8c6061d656e\
    174218db161de73d98f9b7080fac03fc713942c5df19a95c49ea068d879a8d40c934f24a13b200fa716610ba5fc4741d71019c0b5343ddfa\
    f174d48d7a0a7fd85c824540daf81931c68cb517a8d9be1a12b150f2f69923f29b4fd95aff6e85e4bdffd76d0203010001028201001d9679\
    a36d05f84f59e589cc94e486eaad8d2360c25c3190a27fa3f2f2418396a24e30811384b33921e58713fd24e5709551469b4606dbf15ae57a\
    296faea742ae8deb231b0f07f7ca6acb0b2ab56ce87078526b0d39ffbb5f6df74742c4a6cb74aba90f08efebb4e60986053199dcf1daf5a4\
    a36074cf7c9c2495c23496136272578fdc752a7d7d7a0907ab5f61d7ea05073c982a78c2b64a0d47e4d821b6aad5c6c7e02f4edeb0861e8c\
    19a55d8079c400d8c430a494cf3bb0051078c4f0cd58884ba8a3d6275b4daf871129a345a5e06ab3fa0b4c2ee17e3b6916f124244dde3ac3\
    4f2b4717a71ea62b0499eb86eb8096e690e48a93aae0e44c973cfd7b0102818100c8def7054216703446679dc0b2ebf7719fea16bb60c008\
    8348c6ea77c495d013e41ef12b5bf7d8c1024e336552c569abbd698e2d920f655f9b961983cdadafd38692002f839642ff6413d973de320a\
    90093ad366b194d7dab7b042849a6485e6767c8b24fb4f7d9a003709b00d5b152a2c3085416ef1809c73d8b505f1904b8d02818100c3aade\
    8de91c8fae037f6a3757821d131f10106d3de139b145b7bba8b0fe9a01856426f0e449b3ce3b3bf5f679e247235d59185d44ab35f585e032\
    0e58b29035be6d4e52dd4be874ca41b763dfa9adea90d81a7edc25583d94a5bc5e0ce338a4cf68ff658fa472ff369d90283fa0e363c76691\
    ce1864d41d1c296d3c7dc6d3610281806b4fd2a018826c474125b1fd7498e384ec6ddedf13fd038f3f9e253cfee51a58c61251bd5c50b897\
    c4678ac5a2c69c81879b90bd7fbe81e5e5f4f68497a926b9d6b6c12aa11df185072e2389e736ccb5ce7882dfe617228a527ff3c96bc23056\
    c30e1e380f9a93fb660a013ef0a3ac56ef6cac841c8520b4749f5d76636b37310281805da7032ed94c9a58a7c3ec8ae08f9e6af08b37d191\
    b4a3707df61b13fae361c3289d6f260d9e5939749096818a850b9799ae7342f10321a88a936c620182361403393e2bdb4fe1cb44a37fab85\
    fa290c0497ead69d78226c1721dcaf076c1a48881db16063084b226c79adee15c6640ff5f8da00d31c2f8a5f5854b8875b0b010281800de0\
    d8493602a75099e9c1659d015c601215528175fe72fc1636a56901153f464f3bfbc47f025e19ca3bc48f27141238d7c9c46c16e4c180c618\
    d915d3a4c13e8851a3670f25011c671617042018df5a3de70ab54c77c96e61038a5fe1cbfef525d2efbb97c053eef499086851a76029a215\
    b6c8753fb17437e255fc08f481e3";
/// RSASSA-PKCS1-v1_5 of MESSAGE with that digest.
pub(super) const RSA_PKCS1_SM3: &str = "\
    6a4c9029fd3a9fa5c3c1f7c99e2795db03c69caa3d80335aa81882f8290bfa031f802203439c2706843539fc5b7f744fdd2d4292805c77ad\
    b162cb9283dea89b11c3cafc377fc6480a410dd26730b0101c701331371f70add0a64c9b603e7d8e787a40e03d170d89c74732915b471788\
    df3e4a7d9e511c4032a81f4a82c02665cee6fcc27c9d31b1cf1d1b58f1c16d0da8ba04376ebff4b90314d722af846a1a4767166d1482c727\
    c1b917a99c81be6607f581622bb7bfe8990bfee3d4d914b7826f3b036e2cbffe582daa00b5c9c7a94f3b363711f1813e19c0cd0c539a9fd8\
    538b086cfc5c6ca6251d827bf62c9486029b524d2c909be7c63a07c25ee92ceb";
/// RSASSA-PKCS1-v1_5 of MESSAGE with that digest.
pub(super) const RSA_PKCS1_SHA256: &str = "\
    2439dc2c5651def56e0eeed6b23c358f4c1916b56eb0f4ef67b6cd2eb69bd083d9a7c6deb777e4533b6fc4e5b704b0b6fffa20596460bbe2\
    f086631cc133a68263a681d28dd7c87a5e943cf5cd176c6bc2b30554088b86c2a9c6f5012b4869c60b2cc58d6b47a605c5846aa0a49fec40\
    4a0ba3d567160b8064b342a584630a47e31e5de162cb23b1877a2882e53b4e47e554d823413d5ad71e0b59c7c01ae041369991c1f95a94c6\
    2f621cdddeed1d342e369b6411176e6cefc8f15625b1e45d9a68dbdbe3d03a0a541f27ed2da82bff0227818b2444a78b734ecefa4dd89ae5\
    6594324f2872246f1bf9b61c8e0ac70c2f73ea24be68cdc10e12db485d13a896";
/// RSASSA-PKCS1-v1_5 of MESSAGE with that digest.
pub(super) const RSA_PKCS1_SHA384: &str = "\
    6ada551530102180a345c4bb45fbd70f0743edb673cf29a748636eb26fe16649c8edf4684b5791cc7c6523dba19fbce50eb199d4a2459a6b\
    c8134b21b065d53f7548c46a2e66e8ca2b6a9feea5435d9dad06bbd6c0e1764e7cc8ae38c225f7999486edfcce304df81c3ce7e4a0d70650\
    0dc6a0fadb8d5fd23679a31320b3bae58aaa9552dd69662e3e35f6bb3f47c802e2bd1edc2e793c9aa2455fa3a51fb97f3252c4f24da4d8b5\
    4ba1522452d00a8bf8555a14a330390e0aac3705605d2d30929577fa15684630300b4708f84e80c7a60dfeb9bca403c8f8b90eada569cc2d\
    e71a95c44f0dfb71d44829dfceacfb27f1c7e031c290c5dd4aaa53be78b51428";
/// RSASSA-PKCS1-v1_5 of MESSAGE with that digest.
pub(super) const RSA_PKCS1_SHA512: &str = "\
    7135765e0591b5178aa9005ef980b085ec804a958ee52a0209b4fedbf66de33c20bc8573a6425d65680d370aed6125090e145ec688602b7c\
    67cebe2584c1a20969f2f3610d1e6ebc6368e45488cf919e1f06cb9166bb242dfd1533ffaa9739ed28e6b2dccd4ecc1cbab1a625dde142ec\
    e9c3528a5b2c2f9982c5bb1c142bddc917abb68623742518828e83b1a15d81fc693f8997845e34b5a6e8463b8afc442856823f912e9f7b96\
    804243271804605b2ddc278f4e5d2eea8a8c0185388842fadedd5e8e78d263e4f4808a33cccd324e253441a1bd9149abf46149adcded778c\
    b0779673ecbc0db264ebb2026f7fa48173a56b76073db05a575ee0b038bf5ad7";
/// RSASSA-PSS of MESSAGE with that digest, the salt as long and all 5a.
pub(super) const RSA_PSS_SM3: &str = "\
    4988a386908473af8c4cf7b69dfa03c926a7106bbf7d495f6c620752b625456d0b6333b55c3c9c2c5382dfc196ed571773899e8d0f19e32f\
    44375fc896073b2870fd69afbe6863b7d842d4e2a4de1bb968c9c4e4f0a4839626b21c583be6eadae94e4c2db6b381e61b049741d8df056c\
    18c1294aa7a3adad605ff5b154d7a9e92095c7cbd78f83405be87aa48a66b7e0295e8093c6dcaf592630f0eeb2f24213103d6a4ca162650c\
    ba2b03f58d2acd60cc1407949bbb623ea2871252a2d17a4b2e978993f88a44932880f4cc1d326c45237e710d0e158fa6cc73c2f878d72907\
    ec350461a5de4284d500c9ea38478831187d6c693c3282f72dc5e8b5ee26f6a0";
/// RSASSA-PSS of MESSAGE with that digest, the salt as long and all 5a.
pub(super) const RSA_PSS_SHA256: &str = "\
    6f78a13cf1fabc86d71cd5ad69d4b7a6f54ec7eb93dc7728f6e0a68c946ca57300b0947a76b75969a933c5a7fe03bdffcb3bea0f0c760aa2\
    5926d7d6bfd5d604b1aeb86d5e6115de8dd5d588f657f53c023bb66c6018bf7d681247b17bf78f533f6c4ccf390b7d4f5b77c0b771a595b8\
    4b9a8039441a4111815bb594d00e9bc7b119b8a3e72e4622b8d3b112268003d3593c7fd1f128704545020184f09709581eeb327a14c9f490\
    c884c1923a558142b5d966cbf524dec4943dec2bd36efe6c43d88a59138f83bd3f7f0144bcb57184bfe36b2343c1f9b7505e61ee2ec1f04e\
    56db105b48f05385a08b1d050fa46424e8dc50f62692fd4fa95ec575e3470e51";
/// RSASSA-PSS of MESSAGE with that digest, the salt as long and all 5a.
pub(super) const RSA_PSS_SHA384: &str = "\
    74584c390fa2edd4549c4145537176f84800f606602bcc59c9ea82b889aeee5587ad657bb2bddb0e2ba18207d79beaf2150389bfc9ba6e98\
    a79eaa44d4b83c25efa0f55fb3128a2f98dcc9c89470f0101b118f63c919a881b85e7d4ba7a23f42aea9161a0e576da1214cae7d888a0f7f\
    958381896570685c114b102bac6b365541c226d5ac55d658096de5e0dbff637c6331b5ca60e858601213c63b0c2efef850dcdd88355a780b\
    e31b1a21c93ee0486427962c5bb03e908cc51addbecac69301874072cdd9d439af3b14029c1ed53ee046d660e97d54a44842fb6c5ca91fb1\
    6f008eb885e5d6689130e53efc349504be57b4e910640323614f188a1941b1dc";
/// RSASSA-PSS of MESSAGE with that digest, the salt as long and all 5a.
pub(super) const RSA_PSS_SHA512: &str = "\
    49e5b057c93b2d7a1a87497a850e9d3c0a0a456035329824fa0e8e674a5c78a90b5c6ca804e75f9076ca598623f9897905710db957fd4bb3\
    89ac113ad156c0cd17e646e078bdee8196c38c45cdc6ba6d1f5caee2777b9c670d8f5b7872e91261e34657fe330d51631e795512441cb1b5\
    df4294344690fb4743099e8b5717508212e8166df634f083c66eb23237a371eb7472e4032e26e46a3b41edef837ae776cfe7512238bbd7a2\
    e3192dad2a4adafee4d10263cb6628ea482578264b060116bb5b64697480123784e479fff5900c66d2ca6783b883ca14ef91120332096e47\
    3fa0a98f09284d62a26fac7a53a3308a012d40efedce5eaf8e792d8d91255f4b";
/// The same with SHA-256 and a salt of 8 octets.
pub(super) const RSA_PSS_SHA256_SALT_8: &str = "\
    2ea339ef4869f3aa2bb29521be741df5a4317f98c6a7ef752dc929bf2abc5cbd564c18390f6339d35eb08b2207790ab0bc75b4c197d98e79\
    816b17465af47aab722c20662e7914abc340b4409bd3171696686f6db70f28366d1cbe7d941c7d316943686b861e547a5cd103b38c57c8ea\
    178f2a0f2f8eb4c7a21636179687a6d3da0f1403e13755da61898699c7082c893b403f52fa77c33b898cb6eb3e8213335b09d6da2679c569\
    f2f556403c7bf5e84e7fdc3c7d630cffd7a167748a0e553346197c767f193cc398e365846965bc3798ec77ec4ae9f37208073ede39089c54\
    d784b6a9ef51da05f0fa7ae0f9c4d4dd6f71f28f4e6f99132f873437248ab544";
/// RSAES-OAEP of MESSAGE with SHA-256, no label, by OpenSSL.
pub(super) const RSA_OAEP: &str = "\
    54c3d2304c45a2dae8b15a2b36ad873ec73f7322256f8a21cc1cb7d5927138e60920a269cf1d63a1077065448f694f16d401f0245906588e\
    cf76ae042365a145fb67485696719d37a245026a14c5c576f50ae01d283be40f9be61176c47bc9b817d6cdded58c6c73df0126058dd4a33b\
    bcb9fd6a52d787672b29e7709922d7998054fa87a1f383ce8b4392dd6b8381eecd49af7afe7076171c04384e733b8571bb4f485d409b498b\
    27c38e8c90d8019c8306e3e3ef399b02cf7b196bc7c93604164d176adb93ba872dc3eb1f5ffa99e8a0d59201a05a7e5b5364a112dd64a2fa\
    9b07ebcb9c51fddd3f089118ca552b32013534068fcab86afdc51faa219740d5";
/// RFC 6979 A.2.5.
pub(super) const P256_PRIVATE: &str = "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721";
/// RFC 6979 A.2.5.
pub(super) const P256_PUBLIC: &str = "\
    0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb67903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f\
    5177a3c294d4462299";
/// RFC 6979 A.2.5: r‖s over "sample" with SHA-256.
pub(super) const P256_SIGNATURE: &str = "\
    efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff406\
    4dc4ab2f843acda8";
/// RFC 6979 A.2.6.
pub(super) const P384_PUBLIC: &str = "\
    04ec3a4e415b4e19a4568618029f427fa5da9a8bc4ae92e02e06aae5286b300c64def8f0ea9055866064a254515480bc138015d9b72d7d57\
    244ea8ef9ac0c621896708a59367f9dfb9f54ca84b3f1c9db1288b231c3ae0d4fe7344fd2533264720";
/// RFC 6979 A.2.6: r‖s over "sample" with SHA-256.
pub(super) const P384_SHA256: &str = "\
    21b13d1e013c7fa1392d03c5f99af8b30c570c6f98d4ea8e354b63a21d3daa33bde1e888e63355d92fa2b3c36d8fb2cdf3aa443fb107745b\
    f4bd77cb3891674632068a10ca67e3d45db2266fa7d1feebefdc63eccd1ac42ec0cb8668a4fa0ab0";
/// RFC 6979 A.2.6: the same with SHA-384.
pub(super) const P384_SHA384: &str = "\
    94edbb92a5ecb8aad4736e56c691916b3f88140666ce9fa73d64c4ea95ad133c81a648152e44acf96e36dd1e80fabe4699ef4aeb15f178ce\
    a1fe40db2603138f130e740a19624526203b6351d0a3a94fa329c145786e679e7b82c71a38628ac8";
/// RFC 6979 A.2.7.
pub(super) const P521_PUBLIC: &str = "\
    0401894550d0785932e00eaa23b694f213f8c3121f86dc97a04e5a7167db4e5bcd371123d46e45db6b5d5370a7f20fb633155d38ffa16d2b\
    d761dcac474b9a2f5023a400493101c962cd4d2fddf782285e64584139c2f91b47f87ff82354d6630f746a28a0db25741b5b34a828008b22\
    acc23f924faafbd4d33f81ea66956dfeaa2bfdfcf5";
/// RFC 6979 A.2.7: r‖s over "sample" with SHA-512.
pub(super) const P521_SHA512: &str = "\
    00c328fafcbd79dd77850370c46325d987cb525569fb63c5d3bc53950e6d4c5f174e25a1ee9017b5d450606add152b534931d7d4e8455cc9\
    1f9b15bf05ec36e377fa00617cce7cf5064806c467f678d3b4080d6f1cc50af26ca209417308281b68af282623eaa63e5b5c0723d8b8c37f\
    f0777b1a20f8ccb1dccc43997f1ee0e44da4a67a";
/// RFC 8032 7.1, test 3.
pub(super) const ED25519_SEED: &str = "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7";
/// RFC 8032 7.1, test 3.
pub(super) const ED25519_PUBLIC: &str = "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025";
/// RFC 8032 7.1, test 3.
pub(super) const ED25519_MESSAGE: &str = "af82";
/// RFC 8032 7.1, test 3.
pub(super) const ED25519_SIGNATURE: &str = "\
    6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28d\
    c027beceea1ec40a";
